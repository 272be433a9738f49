//! Tests that a refused credential causes no flood of requests and recovers without a restart.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::TestWorld;

/// shows: faults/22
#[test]
fn a_refused_credential_is_tried_at_most_once_in_30_seconds_and_a_new_one_at_once() {
    let world = TestWorld::start("refused", |_| {}).unwrap();
    let namespace = world.create_namespace("refused");
    let mut wrong = namespace.credential();
    wrong["clientSecret"] = json!("not-the-secret");
    namespace.apply_secret("wrong", &wrong);
    for number in 0..5 {
        namespace.apply_partner(&format!("p{number}"), &json!({"connectionSecretRef": {"name": "wrong"}}));
    }
    for number in 0..5 {
        namespace.wait_until_not_ready(&format!("partner/p{number}"), "CredentialsRefused");
    }
    let refused = || {
        world
            .platform
            .service
            .metric("tenantry_platform_requests_total", &["/auth/oauth/token", "status=\"401\""])
            .unwrap()
    };
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(12));
    let tries = refused();
    // One attempt at once and one for each started half minute, however slow this machine is.
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let most = 2.0 + (begin.elapsed().as_secs() / 30) as f64;
    assert!(tries <= most, "{tries} tries, at most {most} are due");
    namespace.apply_secret("wrong", &namespace.credential());
    for number in 0..5 {
        namespace.wait_until_ready(&format!("partner/p{number}"));
    }
}
