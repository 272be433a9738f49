//! The page of the kubectl plugin, generated from the help of its commands.

use clap::CommandFactory as _;

const PAGE_HEAD: &str = "# The kubectl plugin

`kubectl tenantry` shows the tenants of the platform and the objects that declare them, and does what people on call
reach for. It is the program `kubectl-tenantry`; kubectl finds it once it is on the PATH:

    cargo build --release --bin kubectl-tenantry
    install -m 755 target/release/kubectl-tenantry ~/.local/bin/
    kubectl tenantry completion kubectl > ~/.local/bin/kubectl_complete-tenantry
    chmod +x ~/.local/bin/kubectl_complete-tenantry

The last two lines let kubectl complete it, names of objects included, in each shell that completes kubectl.

* Flags follow `tenantry`: `kubectl tenantry --context prod status`. kubectl takes none before the name of a plugin.
* Results go to stdout, notes and errors to stderr. `-o json` and `-o yaml` are for programs. Output has colours where stdout is
  a terminal and `NO_COLOR` is not set; `--color` decides otherwise.
* Exit status: 0 nothing to do, 2 there is something to do, 1 an error. A verb with other meanings documents them.
* No verb writes to the platform. Those that change a tenant write to its object, under the field manager `kubectl-tenantry`,
  and only on the object as it was read; the operator does the rest. Where Git owns a field that is written, the verb says
  that Git puts it back. `--dry-run=client` and `--dry-run=server` write nothing.
* `--as USER` and `--as-group GROUP` impersonate, as with kubectl.

This page is made from the help of the program by `make crds`.
";

/// Renders the page.
#[allow(clippy::format_push_string, reason = "a page is short")]
pub(crate) fn render_page() -> String {
    let mut command = kubectl_tenantry::Cli::command();
    command.build();
    let mut page = PAGE_HEAD.to_owned();
    page += "\n| verb | what it does |\n| --- | --- |\n";
    let verbs = || {
        let all = command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set());
        all.cloned().collect::<Vec<_>>()
    };
    for verb in verbs() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        page += &format!("| [`{0}`](#{0}) | {about} |\n", verb.get_name());
    }
    page += "\n## Flags of every verb\n\n";
    let whole = command.clone().render_long_help().to_string();
    page += &code_block(&section(&whole, "Cluster:"));
    for mut verb in verbs() {
        let name = verb.get_name().to_owned();
        let help = verb.render_long_help().to_string();
        page += &format!("\n## {name}\n\n{}", code_block(&without_section(&help, "Cluster:")));
    }
    page
}

/// Formats a text as a verbatim block.
fn code_block(text: &str) -> String {
    let lines: String = text.trim().lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    format!("```text\n{lines}```\n")
}

/// Returns the start and the end of a section.
fn section_bounds(help: &str, title: &str) -> Option<(usize, usize)> {
    let begin = help.find(&format!("\n{title}\n"))? + 1;
    let is_title = |line: &str| line.ends_with(':') && !line.starts_with(' ');
    let mut end = begin + title.len() + 1;
    for line in help[end..].split_inclusive('\n') {
        if is_title(line.trim_end()) {
            break;
        }
        end += line.len();
    }
    Some((begin, end))
}

fn section(help: &str, title: &str) -> String {
    section_bounds(help, title).map(|(begin, end)| help[begin..end].to_owned()).unwrap_or_default()
}

fn without_section(help: &str, title: &str) -> String {
    section_bounds(help, title)
        .map_or_else(|| help.to_owned(), |(begin, end)| format!("{}{}", &help[..begin], &help[end..]))
}
