//! What is recommended of images and not kept to is said once, and no condition depends on it.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cluster::{Key, PARTNERS};
use super::life::{live, settings};
use super::seam::{Life, World};
use super::settle::{rest, world};
use super::sweep::scenarios;

fn logo(width: u32, height: u32) -> Value {
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    json!({"inline": STANDARD.encode(bytes.into_inner())})
}

fn status(world: &World) -> Value {
    world.object(&Key::new(PARTNERS, "a", "acme")).unwrap()["status"].clone()
}

/// shows: seeds/branding/logo-height
#[test]
fn an_image_that_differs_is_said_once_and_no_condition_knows_of_it() {
    let world = world();
    let acme = Key::new(PARTNERS, "a", "acme");
    let done = live(&world, &Life::new(1), settings(), async {
        world.create(&acme, &scenarios::partner(&json!({"branding": {"logo": logo(40, 10)}})));
        rest(&world, 1).await;
        let advice = |world: &World| status(world)["imageAdvice"].clone();
        assert!(
            advice(&world)[0].as_str().unwrap().starts_with("`branding.logo` is 40 x 10 pixels"),
            "{}",
            advice(&world)
        );
        let conditions = status(&world)["conditions"].clone();
        for condition in conditions.as_array().unwrap() {
            assert!(!condition["message"].as_str().unwrap().contains("logo"), "{condition}");
        }
        let events = || world.lock().oracle.events.get("ImageAdvice").copied();
        assert_eq!(events(), Some(1));
        world.edit(&acme, &json!({"details": {"city": "Bonn"}}));
        rest(&world, 2).await;
        assert_eq!(events(), Some(1), "it was said");
        world.edit(&acme, &json!({"branding": {"logo": logo(64, 512)}}));
        rest(&world, 1).await;
        assert_eq!((advice(&world), events()), (Value::Null, Some(1)));
    });
    assert!(done.is_some());
    assert_eq!(world.faults(), Vec::<String>::new());
}
