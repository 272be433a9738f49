//! Tests of exports to a real S3 server, which verifies signatures independently.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tenantry_catalog::DataCategory;
use tenantry_platform::S3Key;

use super::records::{EVENTS, create_subscriber, records_path};
use super::{TestFolder, TestPlatform};
use crate::assets;

const REGION: &str = "eu-central-1";

/// The S3 server, with a folder as its bucket.
struct S3Server {
    child: Child,
    folder: TestFolder,
    port: u16,
}

impl S3Server {
    async fn start() -> Self {
        let folder = TestFolder::new();
        for name in ["data/bucket", "meta"] {
            std::fs::create_dir_all(folder.path(name)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = assets::versitygw().unwrap();
        let mut command = Command::new(program);
        command.args(["--access", "OURKEY", "--secret", "our-secret", "--region", REGION]);
        command.args(["--port", &format!("127.0.0.1:{port}"), "posix", "--sidecar"]).arg(folder.path("meta"));
        let log = std::fs::File::create(folder.path("log")).unwrap();
        command.arg(folder.path("data")).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let server = Self { child: command.spawn().unwrap(), folder, port };
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{}", std::fs::read_to_string(server.folder.path("log")).unwrap());
    }

    /// Returns the number of objects in a folder of the bucket.
    fn count_objects(&self, folder: &str) -> usize {
        let folder = self.folder.path("data/bucket").join(folder);
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_bucket_takes_what_is_signed_with_its_key_for_its_region_and_nothing_else() {
    let server = S3Server::start().await;
    let destination = format!("s3+http://127.0.0.1:{}/bucket/acme", server.port);
    for (secret, region, status) in [
        ("OUR-SECRET", REGION, 503),
        ("our-secret ", REGION, 503),
        ("our-secret", "us-east-1", 503),
        ("our-secret", REGION, 200),
    ] {
        let platform = TestPlatform::start_with(|config| {
            config.export_destinations = vec![destination.clone()];
            let (region, id) = (region.to_owned(), "OURKEY".to_owned());
            config.export_s3 = Some(S3Key { region, id, secret: secret.to_owned().into() });
        })
        .await;
        let acme = create_subscriber(&platform, "Acme", &[EVENTS], &["Batch Exports"]).await;
        platform.sp.post(&records_path(&acme, DataCategory::Tickets), json!({ "name": "T 1 & ü" })).await.json();
        let request = json!({ "data": ["tickets"], "destination": format!("{destination}/client") });
        let answer = platform.sp.post(&format!("/tenants/{acme}/exports/batch"), request).await;
        assert_eq!(answer.status, status, "{secret:?} {region}: {}", answer.text);
        let kept = server.count_objects(&format!("acme/client/{acme}"));
        assert_eq!(kept, usize::from(status == 200), "{secret:?} {region}");
    }
}
