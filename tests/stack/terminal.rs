//! Output for the person at the terminal.

use std::io::Write;

/// Prints a line. A closed output is not an error.
pub fn print_line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Prints an indented block.
pub fn print_block(text: &str) {
    for line in text.trim_end().lines() {
        print_line(format!("    {line}"));
    }
}

/// Formats a command as one would type it.
pub fn format_command(program: &str, args: &[&str]) -> String {
    let plain = |arg: &str| arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_=/.,:@".contains(c));
    let quoted = |arg: &&str| {
        if plain(arg) { (*arg).to_owned() } else { format!("'{}'", arg.replace('\'', r"'\''")) }
    };
    let args: Vec<String> = args.iter().map(quoted).collect();
    format!("{program} {}", args.join(" "))
}
