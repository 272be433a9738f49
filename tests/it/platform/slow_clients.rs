//! Tests of slow clients: they hold few bytes of the platform's memory, and no connection slot that a probe needs.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use serde_json::{Value, json};
use tenantry_catalog::DataCategory;
use tenantry_platform::Credential;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::cpu_cost::{read_credential, start_with_full_partner};
use super::durability::{launch_command, spawn_platform, wait_until_ready};
use super::records::{EVENTS, records_path};
use super::{ApiCaller, TestFolder};

/// Connects from another loopback address with a small receive buffer.
async fn connect_from(url: &str, from: [u8; 4]) -> TcpStream {
    let to: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddr::new(IpAddr::from(from), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// Waits for an answer. Returns its status and first bytes, or nothing if the connection is closed without one.
async fn read_status(stream: &mut TcpStream) -> Option<(u16, String)> {
    tokio::time::timeout(Duration::from_mins(1), read_answer_start(stream)).await.ok()?
}

/// Does the same as `read_status`, where an answer may never arrive.
async fn read_early_status(stream: &mut TcpStream) -> Option<(u16, String)> {
    tokio::time::timeout(Duration::from_secs(5), read_answer_start(stream)).await.ok()?
}

async fn read_answer_start(stream: &mut TcpStream) -> Option<(u16, String)> {
    let mut start = vec![0; 1000];
    let read = stream.read(&mut start).await.ok()?;
    let text = String::from_utf8_lossy(&start[..read]).into_owned();
    Some((text.split(' ').nth(1)?.parse().ok()?, text))
}

/// Creates a credential of a tenant. Returns a caller that uses it.
pub(super) async fn create_caller(sp: &ApiCaller, tenant: &str) -> ApiCaller {
    let made = sp.post_empty(&format!("/tenants/{tenant}/credentials")).await.json();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    let (client_id, client_secret) = (text("clientId"), text("clientSecret"));
    ApiCaller::new(&sp.url, &Credential { tenant_id: tenant.to_owned(), client_id, client_secret }).await
}

/// Returns a picture that compresses well without filters and not at all with them: each row is the first one, shifted.
fn shifted_png(width: u32, height: u32) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let row: Vec<[u8; 4]> = (0..width).map(|_| [next(), next(), next(), next()]).collect();
    let picture = image::RgbaImage::from_fn(width, height, |x, y| {
        let index = (u64::from(x) + u64::from(y) * 1237) % u64::from(width);
        image::Rgba(row[usize::try_from(index).unwrap()])
    });
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter);
    picture.write_with_encoder(encoder).unwrap();
    bytes
}

fn login_background(bytes: &[u8]) -> Value {
    json!({ "loginPageImage": { "name": "x", "file": STANDARD.encode(bytes) } })
}

#[tokio::test]
async fn an_image_that_grew_when_it_was_written_again_is_served_within_its_bound() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let branding = "/tenants/msp_2/customBranding";
    let picture = shifted_png(2720, 1700);
    assert!(picture.len() < 512 << 10, "{}", picture.len());
    let taken = sp.put(branding, login_background(&picture)).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let path = taken.json()["loginPageImage"]["logoPath"].as_str().unwrap().to_owned();
    let served = reqwest::get(format!("{}{path}", sp.url)).await.unwrap().bytes().await.unwrap();
    assert!(served.len() <= 1 << 20, "{} bytes are served of {}", served.len(), picture.len());
    let said = sp
        .put(branding, login_background(&super::branding::png(4096, 4096)))
        .await
        .assert_field_refused("loginPageImage.file");
    assert!(said.contains("4096 x 4096"), "{said}");
    assert_eq!(sp.get(branding).await.json()["loginPageImage"]["logoPath"], path.as_str());
    assert!(program.peak_memory_mib() < 200, "{} MiB", program.peak_memory_mib());
}

#[tokio::test]
async fn those_who_read_an_image_at_the_same_time_share_its_bytes() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let small = sp.put("/tenants/msp_2/customBranding", login_background(&super::branding::png(64, 64))).await.json();
    let path = small["loginPageImage"]["logoPath"].as_str().unwrap().to_owned();
    // Simulates a row that a release without the bound stored.
    let large = STANDARD.encode(vec![7; 12 << 20]);
    sqlx::query("UPDATE image SET content = $1").bind(large).execute(&folder.pool().await).await.unwrap();
    let mut held = Vec::new();
    for last in 0..40 {
        let mut stream = connect_from(&sp.url, [127, 0, 3, last / 10 + 1]).await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        assert_eq!(read_status(&mut stream).await.unwrap().0, 200);
        held.push(stream);
    }
    assert!(program.peak_memory_mib() < 200, "{} MiB", program.peak_memory_mib());
    drop(held);
}

/// Sends GETs at the same time. The platform has received all of them before it answers one.
async fn get_concurrently(url: &str, path: &str, token: &str, count: usize) -> Vec<u16> {
    let asked = (0..count).map(|number| {
        let last = u8::try_from(number / 10 + 1).unwrap();
        async move {
            let mut stream = connect_from(url, [127, 0, 5, last]).await;
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            read_status(&mut stream).await.map_or(0, |(status, _)| status)
        }
    });
    futures::future::join_all(asked).await
}

#[tokio::test]
async fn brandings_whose_images_are_from_before_their_digests_take_no_memory() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let branding = "/tenants/msp_2/customBranding";
    sp.put(branding, login_background(&super::branding::png(64, 64))).await.json();
    let large = STANDARD.encode(super::branding::padded_png(12 << 20));
    let pool = folder.pool().await;
    sqlx::query("UPDATE image SET content = $1").bind(large).execute(&pool).await.unwrap();
    let strip = "UPDATE branding SET document = replace(document, 'servedSha256', 'unknownOfOld')";
    sqlx::query(strip).execute(&pool).await.unwrap();
    drop(program);
    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    let shown = sp.get(branding).await.json();
    assert!(shown["loginPageImage"]["servedSha256"].is_string(), "{shown}");
    let seen = get_concurrently(&url, "/api/v2/tenants/msp_2/customBranding", &sp.token, 40).await;
    assert_eq!(seen, [200; 40]);
    // A stylesheet reads the size of the image. The load is charged to the caller.
    let seen = get_concurrently(&url, "/style/msp_2.css", &sp.token, 8).await;
    assert!(seen.contains(&200) && seen.iter().all(|status| matches!(status, 200 | 503)), "{seen:?}");
    // PostgreSQL's driver holds a second copy of an answer in its connection buffer.
    let most = if folder.database().starts_with("postgres:") { 320 } else { 200 };
    assert!(program.peak_memory_mib() < most, "{} MiB", program.peak_memory_mib());
}

#[tokio::test]
async fn half_sent_bodies_of_one_partner_are_bounded_and_others_are_served() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let callers =
        [create_caller(&sp, "msp_2").await, create_caller(&sp, "client_3").await, create_caller(&sp, "client_3").await];
    let length = (2 << 20) - 100;
    let mut sent = Vec::new();
    for number in 0..90_u8 {
        let by = &callers[usize::from(number) % 3];
        let mut stream = connect_from(&sp.url, [127, 0, 2, number / 10 + 1]).await;
        let head = format!(
            "PUT /api/v2/tenants/client_3/customBranding HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Length: {length}\r\n\r\n{{\"logo\":{{\"name\":\"a\",\"file\":\"",
            by.token
        );
        sent.push(tokio::spawn(async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            // The platform may already have closed a refused connection.
            let _ = stream.write_all(&vec![b'A'; length - 100]).await;
            (read_early_status(&mut stream).await, stream)
        }));
    }
    let sent: Vec<_> = futures::future::join_all(sent).await.into_iter().map(Result::unwrap).collect();
    let refused: Vec<_> = sent.iter().filter_map(|(answer, _)| answer.as_ref()).collect();
    assert!(refused.iter().all(|(status, text)| *status == 503 && text.contains("retry-after: 1")), "{refused:?}");
    // A caller that holds too much is refused. This is not a failure of the platform, which is what an alert counts.
    let scrape = sp.send(reqwest::Method::GET, "/metrics", Vec::new()).await.text;
    let told: Vec<&str> = scrape.lines().filter(|line| line.contains("status=\"503\"")).collect();
    assert!(!told.is_empty() && told.iter().all(|line| line.contains("turned_away=\"true\"")), "{told:?}");
    let waiting = sent.iter().filter(|(answer, _)| answer.is_none()).count();
    assert_eq!((waiting, refused.len()), (8, 82), "a part of 16 MiB");
    assert!(program.peak_memory_mib() < 160, "{} MiB", program.peak_memory_mib());
    sp.put("/tenants/client_3/customBranding", json!({ "applicationTitle": "Another caller" })).await.json();
    drop(sent);
    for _ in 0..100 {
        if callers[1].put("/tenants/client_3/customBranding", json!({ "applicationTitle": "Own" })).await.status == 200
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("what was held is never free again");
}

#[tokio::test]
async fn unread_pages_of_one_caller_are_bounded_and_a_page_is_in_bytes() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    // Without the add-on that masks.
    let tenant = sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Q", "packages": [EVENTS] })).await;
    let list = records_path(&tenant, DataCategory::Alerts);
    for number in 0..40 {
        sp.post(&list, json!({ "name": format!("n{number}"), "note": "abc de ".repeat(8700) })).await.json();
    }
    let message = sp.get(&format!("{list}?pageSize=40")).await.assert_field_refused("pageSize");
    assert!(message.contains("2097152") && message.contains("32 always fit"), "{message}");
    let partner = create_caller(&sp, &tenant).await;
    let page =
        format!("GET /api/v2{list}?pageSize=30 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", partner.token);
    let (mut seen, mut open) = (Vec::new(), Vec::new());
    for number in 0..40 {
        let mut stream = connect_from(&sp.url, [127, 0, 4, number / 4 + 1]).await;
        // The operating system buffers up to 4 MiB that a client does not read.
        stream.write_all(page.repeat(4).as_bytes()).await.unwrap();
        seen.push(read_status(&mut stream).await.unwrap().0);
        open.push(stream);
    }
    let count = |status: u16| seen.iter().filter(|seen| **seen == status).count();
    assert!(count(200) > 0 && count(503) > 15 && count(200) + count(503) == 40, "{seen:?}");
    assert!(program.peak_memory_mib() < 180, "{} MiB", program.peak_memory_mib());
    assert_eq!(sp.get(&format!("{list}?pageSize=30")).await.json()["results"].as_array().unwrap().len(), 30);
    partner.get(&format!("/tenants/{tenant}")).await.json();
    drop(open);
}

#[tokio::test]
async fn whether_all_is_well_is_answered_while_every_connection_is_taken() {
    let folder = TestFolder::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\"", crate::assets::platform_program()]);
    let mut program = launch_command(shell, &folder);
    let (url, _) = wait_until_ready(&mut program);
    let slow = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    let busy = "POST /tenancy/auth/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc";
    for (sent, others) in [(slow, 200), (busy, 503)] {
        let mut held = Vec::new();
        for number in 0..320 {
            let mut stream = connect_from(&url, [127, 0, 1, u8::try_from(number / 64).unwrap() + 1]).await;
            let _ = stream.write_all(sent.as_bytes()).await;
            held.push(stream);
        }
        assert_eq!(request_status(&url, "/login").await, Some(others), "beside {sent}");
        for path in ["/healthz", "/readyz"] {
            for attempt in 0..20 {
                assert_eq!(request_status(&url, path).await, Some(200), "{path} {attempt} beside {sent}");
            }
        }
        drop(held);
    }
}

/// Sends a request on a separate connection, from an address that holds no other connection. Returns the status.
async fn request_status(url: &str, path: &str) -> Option<u16> {
    let mut stream = connect_from(url, [127, 0, 0, 2]).await;
    let _ = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
    read_status(&mut stream).await.map(|(status, _)| status)
}
