//! Tests of `--platform-proxy` of the program: each request to a platform goes through it.

use serde_json::json;

use crate::proxy::FaultProxy;
use crate::world::TestWorld;

#[test]
fn the_operator_reaches_its_platform_through_the_proxy_that_a_flag_names() {
    let mut between = None;
    let world = TestWorld::start("between", |options| {
        let proxy = FaultProxy::start("127.0.0.1:0", &options.platform_hosts[0], Vec::new()).unwrap();
        options.flags.extend(["--platform-proxy".to_owned(), proxy.url()]);
        between = Some(proxy);
    });
    let (world, between) = (world.unwrap(), between.unwrap());
    let namespace = world.create_namespace("between");
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    let asked: Vec<String> = between.seen_requests().into_iter().map(|seen| seen.target).collect();
    let platform = format!("http://{}/", world.platform.host());
    // A token, a create and a read.
    assert!(asked.len() > 2 && asked.iter().all(|target| target.starts_with(&platform)), "{asked:?}");
}
