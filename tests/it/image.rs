//! The operator's image: its contents, its signature, and its start as on a node.

mod container_start;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{assets, support};

/// Largest size of the image in bytes, compressed and unpacked.
const MAX_IMAGE_BYTES: usize = 25_000_000;
const OPERATOR: &str = "tenantry-operator";

/// The image of `make image-test`, or the one in the folder that `TENANTRY_IMAGE` names.
struct OperatorImage {
    folder: PathBuf,
    layout: PathBuf,
    digest: String,
    manifest: Value,
    config: Value,
}

impl OperatorImage {
    fn load() -> Self {
        let given = std::env::var_os("TENANTRY_IMAGE").map(PathBuf::from);
        let folder = given.unwrap_or_else(|| assets::target().unwrap().join("image/test"));
        let layout = folder.join(OPERATOR);
        assert!(layout.join("index.json").is_file(), "the image is missing: run `make image-test`");
        let mut image = Self { folder, layout, digest: String::new(), manifest: Value::Null, config: Value::Null };
        let listed = &image.index()[0];
        listed["digest"].as_str().unwrap().clone_into(&mut image.digest);
        image.manifest = image.json(listed);
        image.config = image.json(&image.manifest["config"]);
        image
    }

    /// Returns the entries of the layout's index, the image first.
    fn index(&self) -> Vec<Value> {
        let index: Value = serde_json::from_slice(&fs::read(self.layout.join("index.json")).unwrap()).unwrap();
        index["manifests"].as_array().unwrap().clone()
    }

    fn blob(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap();
        self.layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
    }

    fn json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&fs::read(self.blob(descriptor)).unwrap()).unwrap()
    }

    /// Returns the path of the one layer.
    fn layer(&self) -> PathBuf {
        let layers = self.manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1);
        self.blob(&layers[0])
    }

    /// Unpacks it into an empty folder, with its owners and modes.
    fn unpack(&self, folder: &Path) {
        let folder = folder.to_str().unwrap();
        run_command(Command::new("tar").arg("-xzf").arg(self.layer()).args(["--same-permissions", "-C", folder]))
            .unwrap();
    }

    /// Returns the bill of materials that refers to this image.
    fn bill_of_materials(&self) -> Value {
        let listed = self.index();
        let manifests = listed.iter().map(|one| self.json(one));
        let mut bills = manifests.filter(|one| one["subject"]["digest"] == self.digest.as_str());
        let bill = bills.next().unwrap();
        assert_eq!(bill["artifactType"], "application/vnd.cyclonedx+json");
        self.json(&bill["layers"][0])
    }
}

/// Runs a command. Returns its output, or its error output.
fn run_command(command: &mut Command) -> Result<String, String> {
    let output = command.current_dir(assets::root()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let to_text = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
    if output.status.success() { Ok(to_text(&output.stdout)) } else { Err(to_text(&output.stderr)) }
}

/// Verifies a layout as the page on the image describes.
fn verify_layout(key: &Path, layout: &Path) -> Result<String, String> {
    run_command(Command::new("python3").args(["packaging/image/image.py", "verify", "--key"]).arg(key).arg(layout))
}

#[test]
fn the_image_holds_the_operator_and_nothing_else() {
    let image = OperatorImage::load();
    let folder = support::test_folder("image-contents").unwrap();
    image.unpack(&folder);
    let listed = run_command(Command::new("tar").arg("-tzf").arg(image.layer())).unwrap();
    let mut files: Vec<&str> = listed.lines().filter(|name| !name.ends_with('/')).collect();
    files.sort_unstable();
    // There is neither a shell nor a package manager, nor a library that a program could load.
    let meant = ["LICENSE", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt", OPERATOR];
    assert_eq!(files, meant);
    // A command of the documentation is the name of the program.
    assert_eq!(image.config["config"]["Env"], serde_json::json!(["PATH=/"]));

    let packed = fs::metadata(image.layer()).unwrap().len();
    let unpacked: u64 = files.iter().map(|name| fs::metadata(folder.join(name)).unwrap().len()).sum();
    println!("{packed} bytes compressed, {unpacked} unpacked");
    assert!(unpacked < MAX_IMAGE_BYTES as u64 && packed < unpacked, "{packed} compressed, {unpacked} unpacked");
    let authorities = fs::read(folder.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(reqwest::Certificate::from_pem_bundle(&authorities).unwrap().len() > 100);
    let program = fs::read(folder.join(OPERATOR)).unwrap();
    // Commit and day are equal to those in the image's annotations.
    let commit = image.manifest["annotations"]["org.opencontainers.image.revision"].as_str().unwrap();
    let day = &image.config["created"].as_str().unwrap()[..10];
    let of = match commit {
        "unknown" => "commit unknown, built without git".to_owned(),
        commit => format!("commit {}", &commit[..12]),
    };
    let when = if day == "1970-01-01" { String::new() } else { format!(", {day}") };
    let label = format!("{OPERATOR} {} ({of}{when})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run_command(Command::new(folder.join(OPERATOR)).arg("--version")).unwrap(), label);
    let own = assets::root().to_str().unwrap().as_bytes();
    assert!(!program.windows(own.len()).any(|bytes| bytes == own), "the program names a folder of this machine");
}

#[test]
fn the_same_program_gives_the_same_image() {
    let image = OperatorImage::load();
    let folder = support::test_folder("image-again").unwrap();
    let root = folder.join("root");
    fs::create_dir(&root).unwrap();
    image.unpack(&root);
    let program = root.join(OPERATOR);
    let created: jiff::Timestamp = image.config["created"].as_str().unwrap().parse().unwrap();
    run_command(Command::new("touch").args(["-d", "2001-01-01"]).arg(&program)).unwrap();
    let again = ["-c", "umask 077; TZ=Asia/Tokyo exec sh packaging/image/image.sh tenantry-operator"];
    let mut command = Command::new("sh");
    command.args(again).env("IMAGE_PROGRAM", &program).env("IMAGE_FOLDER", &folder);
    command.env("SOURCE_DATE_EPOCH", created.as_second().to_string()).env_remove("IMAGE_KEY");
    command.env("IMAGE_REVISION", image.manifest["annotations"]["org.opencontainers.image.revision"].as_str().unwrap());
    let said = run_command(&mut command).unwrap();
    assert!(said.contains(&image.digest), "{} became {said}", image.digest);
    let other = OperatorImage { layout: folder.join(OPERATOR), ..OperatorImage::load() };
    let digests =
        |image: &OperatorImage| -> Vec<Value> { image.index()[..2].iter().map(|one| one["digest"].clone()).collect() };
    assert_eq!(digests(&other), digests(&image), "the bill of materials differs");
}

#[test]
fn one_changed_byte_anywhere_breaks_the_signature() {
    let image = OperatorImage::load();
    let key = image.folder.join("key.pub.pem");
    assert!(verify_layout(&key, &image.layout).unwrap().contains(&image.digest));
    let copy = support::test_folder("image-changed").unwrap().join("layout");
    run_command(Command::new("cp").arg("-R").args([&image.layout, &copy])).unwrap();
    let blobs: Vec<PathBuf> =
        fs::read_dir(copy.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Image and bill have manifest, config and content each, two signatures have manifest, config and payload each.
    assert_eq!(blobs.len(), 12);
    for blob in &blobs {
        let whole = fs::read(blob).unwrap();
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        fs::write(blob, &changed).unwrap();
        let error = verify_layout(&key, &copy).unwrap_err();
        assert!(error.contains("is not what its digest says"), "{}: {error}", blob.display());
        fs::write(blob, &whole).unwrap();
    }
    verify_layout(&key, &copy).unwrap();
    // If the digests are recomputed too, the signature is no longer valid.
    let index = fs::read_to_string(copy.join("index.json")).unwrap();
    let signatures = image.index().split_off(2);
    let unsigned: Vec<Value> = image.index()[..2].to_vec();
    fs::write(copy.join("index.json"), serde_json::json!({"manifests": unsigned}).to_string()).unwrap();
    assert!(verify_layout(&key, &copy).unwrap_err().contains("not signed: sha256:"));
    fs::write(copy.join("index.json"), index).unwrap();
    let payload = image.json(&signatures[0])["layers"][0].clone();
    assert_eq!(image.json(&payload)["critical"]["image"]["docker-manifest-digest"], image.digest.as_str());
    let foreign = copy.join("foreign.pem");
    let generate = ["genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    run_command(Command::new("openssl").args(generate).arg(&foreign)).unwrap();
    let public = copy.join("foreign.pub.pem");
    run_command(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&foreign).arg("-out").arg(&public))
        .unwrap();
    assert!(verify_layout(&public, &copy).unwrap_err().contains("does not hold"));
}

#[test]
fn the_bill_of_materials_names_what_the_operator_is_made_of() {
    let bill = OperatorImage::load().bill_of_materials();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "tenantry-operator");
    assert!(!bill.to_string().contains(assets::root().to_str().unwrap()), "it names a folder of this machine");
    let components = bill["components"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let named: BTreeSet<(String, String)> =
        components.iter().map(|one| (text(&one["name"]), text(&one["version"]))).collect();
    let has = |name: &str| named.iter().any(|(found, _)| found == name);
    for name in ["kube", "kube-runtime", "k8s-openapi", "reqwest", "rustls", "ring", "tokio", "serde"] {
        assert!(has(name), "`{name}` is missing");
    }
    for name in ["glibc", "rust-std", "webpki-root-certs"] {
        assert!(has(name) || name == "glibc" && has("musl"), "`{name}` is missing");
    }
    for name in ["sqlx", "image", "proptest"] {
        assert!(!has(name), "`{name}` is in no operator");
    }
    let lock = fs::read_to_string(assets::root().join("Cargo.lock")).unwrap();
    let is_locked = |name: &str, version: &str| lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"));
    let loose = named.iter().filter(|(name, version)| !is_locked(name, version)).count();
    assert_eq!(loose, 2, "besides the C library and Rust's own: {named:?}");
    let licensed = components.iter().filter(|one| one["licenses"][0].is_object()).count();
    assert_eq!(licensed, components.len(), "a component has no licence");
}
