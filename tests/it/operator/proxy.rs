//! `--platform-proxy` of the program: each request to a platform goes through it.

use serde_json::json;

use crate::proxy::Proxy;
use crate::world::World;

#[test]
fn the_operator_reaches_its_platform_through_the_proxy_that_a_flag_names() {
    let mut between = None;
    let world = World::start("between", |options| {
        let proxy = Proxy::start("127.0.0.1:0", &options.platform_hosts[0], Vec::new()).unwrap();
        options.flags.extend(["--platform-proxy".to_owned(), proxy.url()]);
        between = Some(proxy);
    });
    let (world, between) = (world.unwrap(), between.unwrap());
    let space = world.namespace("between");
    space.partner("acme", &json!({}));
    space.ready("partner/acme");
    let asked: Vec<String> = between.seen().into_iter().map(|seen| seen.target).collect();
    let platform = format!("http://{}/", world.platform.host());
    // A token, a create, and what is read again.
    assert!(asked.len() > 2 && asked.iter().all(|target| target.starts_with(&platform)), "{asked:?}");
}
