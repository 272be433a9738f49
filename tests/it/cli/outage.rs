//! What the plugin does while the API server or the operator is away.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use super::Desk;
use crate::assets;
use crate::world::{Space, World};

/// The lines that come from a program.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, seen) = channel();
    let lines = BufReader::new(from).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
    seen
}

/// The plugin, running.
fn spawn(desk: &Desk, args: &[&str]) -> Child {
    let mut command = desk.command(&assets::own("kubectl-tenantry").unwrap());
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_watch_says_once_that_the_api_server_is_away_and_goes_on_when_it_is_back() {
    let mut world = World::start("watch-outage", |_| {}).unwrap();
    let name = world.namespace("watched").name.clone();
    let mut all: Vec<String> = Vec::new();
    let (mut running, out, err) = {
        let space = Space::at(&world, name.clone());
        space.partner("acme", &json!({}));
        space.ready("partner/acme");
        let mut running = spawn(&Desk::at(&space), &["status", "-w", "-n", &name]);
        let (out, err) = (lines(running.stdout.take().unwrap()), lines(running.stderr.take().unwrap()));
        space.until("the list is there", || {
            all.extend(out.try_iter());
            Ok(all.iter().any(|line| line.contains("leads in namespace")))
        });
        (running, out, err)
    };
    world.control_plane.apiserver().kill().unwrap();
    let mut notes: Vec<String> = Vec::new();
    Space::at(&world, name.clone()).until("the outage is said", || {
        notes.extend(err.try_iter());
        Ok(notes.iter().any(|line| line.contains("interrupted")))
    });
    // Long enough for many tries without a pause between them.
    std::thread::sleep(Duration::from_secs(3));
    world.control_plane.apiserver().restart().unwrap();
    let kubectl = world.kubectl.clone();
    let limit = Duration::from_mins(1);
    world.control_plane.apiserver().wait_until(limit, || kubectl.run(&["get", "--raw", "/readyz"]).is_ok()).unwrap();
    let space = Space::at(&world, name);
    space.patch("partner/acme", &json!({"spec": {"details": {"country": "Atlantis"}}}));
    space.until("the change is shown", || {
        all.extend(out.try_iter());
        Ok(all.last().is_some_and(|line| line.contains("InvalidValue")))
    });
    notes.extend(err.try_iter());
    running.kill().unwrap();
    running.wait().unwrap();
    let said = notes.iter().filter(|line| line.contains("interrupted")).count();
    assert!((1..=3).contains(&said), "{said} notes: {:#?}", notes.iter().take(9).collect::<Vec<_>>());
}

#[test]
fn two_people_who_ask_for_a_look_at_the_same_time_both_see_it() {
    let mut world = World::start("two-looks", |_| {}).unwrap();
    let name = world.namespace("two").name.clone();
    {
        let space = Space::at(&world, name.clone());
        space.partner("acme", &json!({}));
        space.ready("partner/acme");
    }
    world.operator.process().stop().unwrap();
    let (first, second) = {
        let space = Space::at(&world, name.clone());
        let asked = || {
            space.get("partner/acme").unwrap()["metadata"]["annotations"]["tenantry.dev/reconcile-requested-at"].clone()
        };
        let ask = || spawn(&Desk::at(&space), &["reconcile", "partner/acme", "-n", &name]);
        let first = ask();
        space.until("the first asks", || Ok(asked().is_string()));
        let before = asked();
        let second = ask();
        space.until("the second asks", || Ok(asked() != before));
        (first, second)
    };
    world.operator.restart().unwrap();
    for running in [first, second] {
        let output = running.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && out.contains("Ready=True (AsDeclared)"), "{output:?}");
    }
}
