//! Tests of the normal form of names and passwords, and of databases from before there was one.

use std::process::{Command, Output};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::{CHOSEN_PASSWORD, PASSWORD, TestPlatform, user_body};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_name_has_one_owner_in_each_form_in_which_it_is_typed() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let list = format!("/tenants/{other}/users");
    let made = platform.sp.post(&format!("/tenants/{acme}/users"), user_body("\u{ff21}da", &[])).await.json();
    assert_eq!(made["loginName"], "Ada", "no lookalike is shown anywhere");
    for typed in ["ada", "ADA", "\u{ff21}da", "\u{ff41}da"] {
        assert_eq!(platform.sp.login(typed, PASSWORD).await.status, 200, "{typed}");
        let message = platform.sp.post(&list, user_body(typed, &[])).await.assert_field_refused("loginName");
        assert!(message.contains("is taken"), "{message}");
    }
    for (typed, says) in [
        ("ada\u{200b}", "invisible"),
        ("ada\u{202e}", "invisible"),
        ("\u{430}da", "several scripts"),
        ("USR0000000009", "reserved"),
        ("usr9", "reserved"),
        ("\u{ff35}SR0000000009", "reserved"),
        ("api#3f09c1d2a4b5", "reserved"),
        ("user:USR0000000001", "reserved"),
    ] {
        let message = platform.sp.post(&list, user_body(typed, &[])).await.assert_field_refused("loginName");
        assert!(message.contains(says), "{typed:?}: {message}");
    }
    platform.sp.post(&list, user_body("\u{430}\u{43d}\u{43d}\u{430}", &[])).await.json();
    platform.sp.post(&list, user_body("A\u{30a}sa", &[])).await.json();
    assert_eq!(platform.sp.login("\u{e5}sa", PASSWORD).await.status, 200);
    let found = platform.sp.get(&format!("{list}/search?queryString=loginName:A%CC%8ASA")).await.json();
    assert_eq!(found["totalResults"], 1);
    let id = made["id"].as_str().unwrap();
    let same = json!({ "loginName": "\u{ff21}DA", "city": "Bonn" });
    platform.sp.post(&format!("/tenants/{acme}/users/{id}"), same).await.json();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greek_name_logs_in_however_its_last_letter_is_typed() {
    let platform = TestPlatform::start().await;
    let list = format!("/tenants/{}/users", platform.create_partner("Acme").await);
    platform.sp.post(&list, user_body("οδος", &[])).await.json();
    for typed in ["οδος", "ΟΔΟΣ", "οδοσ"] {
        assert_eq!(platform.sp.login(typed, PASSWORD).await.status, 200, "{typed}");
        assert!(
            platform.sp.post(&list, user_body(typed, &[])).await.assert_field_refused("loginName").contains("is taken"),
            "{typed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_nobody_sees_or_can_tell_from_another_is_refused_with_its_field() {
    let platform = TestPlatform::start().await;
    let (list, acme) = (platform.partners_path(), platform.create_partner("Acme").await);
    for (mark, says) in
        [("\u{fe0f}", "U+FE0F"), ("\u{378}", "U+0378"), ("\u{e000}", "U+E000"), ("\u{e0100}", "U+E0100")]
    {
        for name in [mark.to_owned(), format!("Acme{mark}"), format!("Ac{mark}me")] {
            let message = platform.sp.post(&list, json!({ "name": name })).await.assert_field_refused("name");
            assert!(message.contains(says) && message.contains("take it out"), "{name:?}: {message}");
        }
    }
    platform.create_partner("I \u{2764}\u{fe0f} NY").await;
    let message = platform.sp.post(&list, json!({ "name": "I \u{2764} NY" })).await.assert_field_refused("name");
    assert!(message.contains("is taken"), "{message}");
    let message = platform.sp.post(&format!("{list}/{acme}"), json!({ "name": "I \u{2764} NY" })).await;
    assert!(message.assert_field_refused("name").contains("is taken"));
    let people = format!("/tenants/{acme}/users");
    for (field, blank) in [("firstName", "\u{3164}"), ("lastName", "\u{2800}"), ("city", "\u{e000}")] {
        let mut person = user_body("bob", &[]);
        person[field] = json!(blank);
        let message = platform.sp.post(&people, person).await.assert_field_refused(field);
        assert!(message.contains("take it out"), "{message}");
    }
    let mut person = user_body("ali", &[]);
    person["firstName"] = json!("\u{639}\u{644}\u{6cc}\u{200c}\u{631}\u{636}\u{627}");
    platform.sp.post(&people, person).await.json();
}

fn run_names_collisions(platform: &TestPlatform) -> Output {
    let mut command = Command::new(crate::assets::platform_program());
    command.args(["names", "collisions", "--database", &platform.folder.database()]);
    command.env_remove("RUST_LOG").env_remove("TENANTRY_LOG").output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_collided_before_there_was_a_normal_form_stay_and_are_listed() {
    let mut platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    for name in ["ada", "eve", "bob"] {
        platform.create_logged_in_user(&partner, name, &[]).await;
    }
    let clean = run_names_collisions(&platform);
    assert!(clean.status.success(), "{clean:?}");
    let pool = platform.pool().await;
    // An earlier version stored this: it treated fullwidth letters as different letters.
    for (from, to) in [("eve", "\u{ff41}da"), ("bob", "\u{ff42}ob")] {
        let text = format!("UPDATE person SET login_name = '{to}', login_key = '{to}' WHERE login_name = '{from}'");
        sqlx::query(AssertSqlSafe(text)).execute(&pool).await.unwrap();
    }
    for (from, to) in [("Acme", "Acme"), ("Twin", "u\u{308}ber"), ("Other twin", "\u{fc}ber")] {
        let id = if from == "Acme" { partner.clone() } else { platform.create_partner(from).await };
        let text = format!("UPDATE tenant SET name = '{to}', name_claim = '{to}' WHERE unique_id = '{id}'");
        sqlx::query(AssertSqlSafe(text)).execute(&pool).await.unwrap();
    }
    sqlx::query("UPDATE counter SET value = 0 WHERE name = 'login_keys'").execute(&pool).await.unwrap();
    platform.restart(|_| ()).await;
    let person = |id: i64| format!("/tenants/{partner}/users/USR000000000{id}");
    for (typed, id) in [("ada", 1), ("\u{ff41}da", 2), ("bob", 3), ("\u{ff22}ob", 3)] {
        let answer = platform.sp.log_in_person(typed, CHOSEN_PASSWORD).await;
        let other = if id == 1 { 2 } else { 1 };
        let change = json!({ "currentPassword": "x", "newPassword": "y", "confirmPassword": "y" });
        answer
            .post(&format!("{}/changePassword", person(id)), change.clone())
            .await
            .assert_field_refused("newPassword");
        assert_eq!(answer.post(&format!("{}/changePassword", person(other)), change).await.status, 403, "{typed}");
    }
    // A person whose name collides can still be changed, deactivated and masked.
    platform.sp.post(&person(2), json!({ "city": "Bonn" })).await.json();
    let listed = run_names_collisions(&platform);
    let text = String::from_utf8(listed.stdout.clone()).unwrap();
    assert_eq!(listed.status.code(), Some(1), "{listed:?}");
    for part in ["USR0000000001 ada, USR0000000002 \\u{ff41}da", "\\u{fc}ber", "u\\u{308}ber"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("USR0000000003"), "its key was brought to the normal form: {text}");
    platform.sp.post(&format!("{}/TERMINATE", person(2)), json!({ "maskType": "FULL" })).await.json();
    // An old tenant name can be sent back unchanged, and no other tenant can get such a name.
    let twin = format!("{}/msp_3", platform.partners_path());
    platform.sp.post(&twin, json!({ "name": "u\u{308}ber", "city": "Bonn" })).await.json();
    platform.sp.post(&twin, json!({ "name": "o\u{308}l" })).await.assert_field_refused("name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mask_never_fails_because_of_somebody_else_s_name() {
    let platform = TestPlatform::start().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    platform.create_user(&acme, "squatter", &[]).await;
    let victim = platform.create_user(&other, "victim", &[]).await;
    // An earlier version accepted this name.
    let squat =
        "UPDATE person SET login_name = 'USR0000000002', login_key = 'usr0000000002' WHERE login_name = 'squatter'";
    platform.execute_sql(squat).await;
    let path = format!("/tenants/{other}/users/{victim}");
    platform.sp.post(&format!("{path}/TERMINATE"), json!({ "maskType": "FULL" })).await.json();
    let gone = platform.sp.get(&format!("/tenants/{other}/users/search?queryString=uniqueId:{victim}")).await.json();
    assert_eq!(gone["results"][0]["loginName"], victim.as_str());
    assert_eq!(platform.sp.login("USR0000000002", PASSWORD).await.status, 200, "the squatter is who he was");
    let text = String::from_utf8(run_names_collisions(&platform).stdout).unwrap();
    assert!(text.contains("USR0000000001") && text.contains("reserved"), "{text}");
    // A violated unique constraint is never an internal error.
    let other = platform.create_user(&acme, "other", &[]).await;
    platform.execute_sql("UPDATE person SET login_key = ' USR0000000003' WHERE login_key = 'usr0000000002'").await;
    let path = format!("/tenants/{acme}/users/{other}/TERMINATE");
    let answer = platform.sp.post(&path, json!({ "maskType": "FULL" })).await;
    assert!(answer.status == 409 && answer.text.contains("nothing was changed"), "{} {}", answer.status, answer.text);
    assert_eq!(platform.sp.login("other", PASSWORD).await.status, 200);
}

/// Returns the hash of a password's unnormalized bytes, as an earlier version stored it.
fn hash_of_bytes(password: &str) -> String {
    let (salt, mut hash) = ([7_u8; 16], [0_u8; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, Some(32)).unwrap());
    argon.hash_password_into(password.as_bytes(), &salt, &mut hash).unwrap();
    format!("$argon2id$v=19$m=8,t=1,p=1${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_the_same_on_every_keyboard_and_the_bytes_of_before_still_log_in() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (composed, typed) = ("\u{dc}ber alle Berge 9!", "U\u{308}ber\u{a0}alle Berge 9!");
    let mut body = user_body("ada", &[]);
    body["password"] = json!(typed);
    let id =
        platform.sp.post(&format!("/tenants/{partner}/users"), body).await.json()["id"].as_str().unwrap().to_owned();
    for form in [composed, typed] {
        assert_eq!(platform.sp.login("ada", form).await.status, 200, "{form:?}");
    }
    // The same password in another Unicode form is the same password.
    let path = format!("/tenants/{partner}/users/{id}");
    platform.sp.post(&path, json!({ "password": composed })).await.assert_field_refused("password");
    platform.sp.post(&path, json!({ "password": "First-\u{7}Passw0rd!" })).await.assert_field_refused("password");
    let text = format!("UPDATE person SET password_hash = '{}'", hash_of_bytes(typed));
    sqlx::query(AssertSqlSafe(text)).execute(&platform.pool().await).await.unwrap();
    assert_eq!(platform.sp.login("ada", typed).await.status, 200, "as it was hashed then");
    assert_eq!(platform.sp.login("ada", composed).await.status, 401);
    platform.sp.post(&path, json!({ "password": typed })).await.assert_field_refused("password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_a_name_that_everybody_sees_and_that_is_nobody_else_s() {
    let platform = TestPlatform::start().await;
    platform.create_partner("\u{fc}ber").await;
    for (name, says) in [
        ("u\u{308}ber", "\u{fc}ber"),
        ("\u{200b}", "U+200B"),
        ("Ac\u{200b}me", "U+200B"),
        ("Acme\u{202e}", "U+202E"),
        ("\u{3164}", "U+3164"),
        (" \u{a0} ", "1 to 255"),
        ("\u{fc}ber", "is taken"),
    ] {
        let message =
            platform.sp.post(&platform.partners_path(), json!({ "name": name })).await.assert_field_refused("name");
        assert!(message.contains(says), "{name:?}: {message}");
    }
    let partner = platform.create_partner("\u{65e5}\u{672c} \u{2764}\u{fe0f}").await;
    for kind in ["roles", "permissionSets"] {
        let path = format!("/tenants/{partner}/{kind}");
        platform.sp.post(&path, json!({ "name": "Ro\u{ad}le", "permissions": [] })).await.assert_field_refused("name");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_from_before_invisible_marks_were_left_out_are_compared_like_others() {
    let mut platform = TestPlatform::start().await;
    let [heart, marked] = ["I \u{2764} NY", "I \u{2764}\u{fe0f} NY"];
    platform.create_partner(marked).await;
    let (twin, other) = ("A \u{2764} B", platform.create_partner("Other").await);
    platform.create_partner(twin).await;
    let pool = platform.pool().await;
    // An earlier version stored this: each name claimed only itself.
    let text = format!("UPDATE tenant SET name = 'A \u{2764}\u{fe0f} B' WHERE unique_id = '{other}'");
    sqlx::query(AssertSqlSafe(text)).execute(&pool).await.unwrap();
    sqlx::query("UPDATE tenant SET name_claim = name WHERE parent_id IS NOT NULL").execute(&pool).await.unwrap();
    sqlx::query("UPDATE counter SET value = 0 WHERE name = 'name_claims'").execute(&pool).await.unwrap();
    platform.restart(|_| ()).await;
    let message =
        platform.sp.post(&platform.partners_path(), json!({ "name": heart })).await.assert_field_refused("name");
    assert!(message.contains("is taken"), "{message}");
    let names = platform.sp.get(&format!("{}/minimal", platform.partners_path())).await.text;
    assert!([marked, twin, "A \u{2764}\u{fe0f} B"].iter().all(|name| names.contains(name)), "{names}");
    let listed = run_names_collisions(&platform);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.contains(&other) && listed.matches("tenants of one parent that look alike").count() == 1,
        "{listed}"
    );
}
