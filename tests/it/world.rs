//! A control plane with platform and operator, and the actions of the tests.

mod options;
mod servers;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::controlplane::{self, ControlPlane};
use crate::kubectl::Kubectl;
use crate::process::Result;
use crate::programs::{self, OperatorOptions, PlatformOptions, PlatformProcess, ServiceProcess};
use crate::proxy::FaultProxy;
use crate::proxy::rules::FaultRule;
use crate::support::test_folder;
use crate::tenancy::TenancyApi;

use options::{allow_many_terminations, reserve_proxy_hosts};
pub use options::{merge_json, use_short_lease};
pub use servers::TestServers;

/// Longest wait of a test. It is far longer than needed, since only the result counts.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// All processes of one or several tests.
pub struct TestWorld {
    /// The operator.
    pub operator: ServiceProcess,
    /// The platform.
    pub platform: PlatformProcess,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The administrator's `kubectl`.
    pub kubectl: Kubectl,
    /// The platform's API with the service provider's credential.
    pub tenancy: TenancyApi,
    /// Flags of the operator, for starting another one.
    pub options: OperatorOptions,
    /// Hosts that the operator may use and that are not in use yet.
    free_proxy_hosts: Mutex<Vec<String>>,
    /// Whether other tests use it after one is done.
    is_shared: bool,
}

/// A failed start is stored, so that one missing program fails every test at once.
static SHARED_WORLD: OnceLock<std::result::Result<TestWorld, String>> = OnceLock::new();
static NEXT_NUMBER: AtomicU32 = AtomicU32::new(1);

impl TestWorld {
    /// Returns the world shared by tests that only use their own namespace.
    pub fn shared_world() -> &'static Self {
        let started = SHARED_WORLD.get_or_init(|| {
            // A test's proxy declares the source address of people. Other clients on loopback declare none.
            let flags = ["--trusted-proxies", "127.0.0.0/8"].map(str::to_owned).to_vec();
            let platform = PlatformOptions { flags, ..PlatformOptions::default() };
            let world =
                Self::start_with("shared", &platform, allow_many_terminations).map_err(|error| error.to_string())?;
            Ok(Self { is_shared: true, ..world })
        });
        started.as_ref().unwrap_or_else(|error| panic!("the shared world did not start: {error}"))
    }

    /// Starts a world for the tests of one module.
    pub fn start_shared(name: &str, change: impl FnOnce(&mut OperatorOptions)) -> Self {
        Self { is_shared: true, ..Self::start(name, change).unwrap() }
    }

    /// Starts a world for one test that kills processes, counts requests or sends very many.
    pub fn start(name: &str, change: impl FnOnce(&mut OperatorOptions)) -> Result<Self> {
        Self::start_with(name, &PlatformOptions::default(), change)
    }

    /// Starts a world on a platform with options.
    pub fn start_with(
        name: &str,
        platform: &PlatformOptions,
        change: impl FnOnce(&mut OperatorOptions),
    ) -> Result<Self> {
        Self::start_on(name, (controlplane::ControlPlaneOptions::default(), platform), change)
    }

    /// Starts a world on a control plane and a platform with options.
    pub fn start_on(
        name: &str,
        with: (controlplane::ControlPlaneOptions, &PlatformOptions),
        change: impl FnOnce(&mut OperatorOptions),
    ) -> Result<Self> {
        let servers = TestServers::start(name, with)?;
        controlplane::install_kinds(&servers.kubectl)?;
        servers.kubectl.run(&["create", "namespace", "tenantry-system"])?;
        let mut options = OperatorOptions::new(&servers.control_plane.kubeconfig("admin"), servers.platform.host());
        "1s".clone_into(&mut options.drift_interval);
        let doors = reserve_proxy_hosts()?;
        options.platform_hosts.extend(doors.iter().cloned());
        change(&mut options);
        let operator = programs::start_operator(&servers.folder, &options)?;
        let world = servers.into_world(operator, options);
        *world.free_proxy_hosts.lock().map_err(|_| "the list of doors is lost after a panic")? = doors;
        Ok(world)
    }

    /// Starts a proxy in front of the platform, on a host that the operator may use.
    pub fn start_proxy(&self, rules: Vec<FaultRule>) -> FaultProxy {
        let door = self.free_proxy_hosts.lock().unwrap().pop().unwrap();
        FaultProxy::start(&door, self.platform.host(), rules).unwrap()
    }

    /// Creates a namespace whose Secret `platform` leads through a proxy.
    pub fn namespace_behind(&self, proxy: &FaultProxy, prefix: &str) -> TestNamespace<'_> {
        let namespace = self.create_namespace(prefix);
        let mut data = namespace.credential();
        data["url"] = json!(proxy.url());
        namespace.apply_secret("platform", &data);
        namespace
    }

    /// Starts another operator, with the options of the first and the permissions of a user.
    pub fn start_another_operator(&self, name: &str, user: &str) -> Result<ServiceProcess> {
        let options = OperatorOptions { kubeconfig: self.control_plane.kubeconfig(user), ..self.options.clone() };
        programs::start_operator(&test_folder(&format!("another-{name}"))?, &options)
    }

    /// Stops the operator and starts another one with the current flags.
    pub fn restart_operator(&mut self) -> Result<()> {
        self.operator.process().stop()?;
        self.operator = programs::start_operator(&test_folder("operator")?.join(self.next_log()), &self.options)?;
        Ok(())
    }

    fn next_log(&self) -> String {
        format!("{}-{}", self.platform.host().replace(':', "-"), NEXT_NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates a namespace with the Secret `platform` in it.
    pub fn create_namespace(&self, prefix: &str) -> TestNamespace<'_> {
        let name = format!("{prefix}-{}", NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        self.kubectl.run(&["create", "namespace", &name]).unwrap();
        let leftovers = || NamespaceCleanup { kubectl: self.kubectl.clone(), namespace: name.clone() };
        let namespace = TestNamespace { world: self, _leftovers: self.is_shared.then(leftovers), name };
        namespace.apply_secret("platform", &namespace.credential());
        namespace
    }

    /// Returns the number of writes of Partners and Clients that the API server counted, including status.
    pub fn object_writes(&self) -> f64 {
        self.client_writes() + self.api_writes("tenantry.dev", &["partners"])
    }

    /// Returns the number of writes of Clients that the API server counted, including status. A Partner's counts of
    /// clients change in its own drift check, so they do not show what a tenant costs.
    pub fn client_writes(&self) -> f64 {
        self.api_writes("tenantry.dev", &["clients"])
    }

    /// Returns the number of events that the API server counted.
    pub fn count_events(&self) -> f64 {
        self.api_writes("events.k8s.io", &["events"])
    }

    fn api_writes(&self, group: &str, resources: &[&str]) -> f64 {
        let text = self.kubectl.run(&["get", "--raw", "/metrics"]).unwrap();
        let group = format!("group=\"{group}\"");
        let verbs = ["PATCH", "APPLY", "PUT", "POST", "DELETE"];
        text.lines()
            .filter(|line| line.starts_with("apiserver_request_total{") && line.contains(&group))
            .filter(|line| resources.iter().any(|resource| line.contains(&format!("resource=\"{resource}\""))))
            .filter(|line| verbs.iter().any(|verb| line.contains(&format!("verb=\"{verb}\""))))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Returns the number of requests that changed something on the platform.
    pub fn platform_writes(&self) -> f64 {
        let name = "tenantry_platform_requests_total";
        ["POST", "PUT"]
            .iter()
            .map(|method| {
                self.platform.service.metric(name, &[&format!("method=\"{method}\""), "route=\"/api/"]).unwrap()
            })
            .sum()
    }
}

/// A namespace of one test.
pub struct TestNamespace<'a> {
    /// Its world.
    pub world: &'a TestWorld,
    /// Its name.
    pub name: String,
    _leftovers: Option<NamespaceCleanup>,
}

/// Deletes the objects of a finished test, whose drift would otherwise be checked each second while other tests run.
/// After a failure they are kept for diagnosis.
struct NamespaceCleanup {
    kubectl: Kubectl,
    namespace: String,
}

impl Drop for NamespaceCleanup {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.kubectl.run(&["-n", &self.namespace, "delete", "partners,clients", "--all", "--wait=false"]);
        }
    }
}

impl<'a> TestNamespace<'a> {
    /// Returns a namespace that already exists.
    pub fn existing(world: &'a TestWorld, name: String) -> Self {
        Self { world, name, _leftovers: None }
    }
}

impl TestNamespace<'_> {
    /// Returns the data of a Secret with the platform's credential.
    pub fn credential(&self) -> Value {
        let credential = &self.world.platform.credential;
        json!({
            "url": credential.url, "tenantId": credential.tenant_id,
            "clientId": credential.client_id, "clientSecret": credential.client_secret,
        })
    }

    /// Applies a Secret in the namespace.
    pub fn apply_secret(&self, name: &str, data: &Value) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        }));
    }

    /// Applies a Secret in the namespace that objects may reference.
    pub fn apply_referenced_secret(&self, name: &str, data: &Value) {
        let labels = json!({"tenantry.dev/allow-reference": "true"});
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "stringData": data,
        }));
    }

    /// Applies one object.
    pub fn apply(&self, object: &Value) {
        let text = object.to_string();
        self.world
            .kubectl
            .run_with(&["-n", &self.name, "apply", "--server-side", "--force-conflicts", "-f", "-"], &text)
            .unwrap();
    }

    /// Applies a Partner by its name in the cluster. Its tenant gets a name that no other test uses.
    pub fn apply_partner(&self, name: &str, spec: &Value) {
        self.apply_tenant("Partner", name, &[&json!({"connectionSecretRef": {"name": "platform"}}), spec]);
    }

    /// Applies a Client of the Partner `acme`.
    pub fn apply_client(&self, name: &str, spec: &Value) {
        self.apply_tenant("Client", name, &[&json!({"partnerRef": {"name": "acme"}}), spec]);
    }

    /// Applies a Client of a partner that has no object.
    pub fn apply_client_without_partner(&self, name: &str, spec: &Value) {
        self.apply_tenant("Client", name, &[&json!({"connectionSecretRef": {"name": "platform"}}), spec]);
    }

    fn apply_tenant(&self, kind: &str, name: &str, specs: &[&Value]) {
        let mut whole = json!({"details": {"name": self.tenant_name(name)}});
        for spec in specs {
            merge_json(&mut whole, spec);
        }
        self.apply(&json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": whole,
        }));
    }

    /// Returns the name of an object's tenant on the platform.
    pub fn tenant_name(&self, name: &str) -> String {
        format!("{name} of {}", self.name)
    }

    /// Sends a merge patch for an object.
    pub fn merge_patch(&self, object: &str, patch: &Value) {
        self.kubectl(&["patch", object, "--type=merge", "-p", &patch.to_string()]);
    }

    /// Runs `kubectl` in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let whole: Vec<&str> = ["-n", &self.name].into_iter().chain(args.iter().copied()).collect();
        self.world.kubectl.run(&whole).unwrap()
    }

    /// Deletes an object without waiting.
    pub fn delete(&self, object: &str) {
        self.kubectl(&["delete", object, "--wait=false"]);
    }

    /// Returns the current object, or `None` if it does not exist.
    pub fn get(&self, object: &str) -> Option<Value> {
        let text = self.kubectl(&["get", object, "-o", "json", "--ignore-not-found"]);
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    /// Returns status, reason and message of a condition.
    pub fn condition(&self, object: &str, kind: &str) -> Option<(String, String, String)> {
        let object = self.get(object)?;
        let conditions = object["status"]["conditions"].as_array()?.clone();
        let found = conditions.into_iter().find(|condition| condition["type"] == kind)?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("reason"), text("message")))
    }

    /// Waits until Ready is True for the current spec, and returns the unique id.
    pub fn wait_until_ready(&self, object: &str) -> String {
        self.wait_until(&format!("{object} is Ready"), || {
            let Some(found) = self.get(object) else { return Ok(false) };
            let generation = &found["metadata"]["generation"];
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            Ok(conditions.iter().any(|one| {
                one["type"] == "Ready" && one["status"] == "True" && one["observedGeneration"] == *generation
            }))
        });
        self.get(object).unwrap()["status"]["uniqueId"].as_str().unwrap().to_owned()
    }

    /// Waits until Ready is False with a reason, and returns the message.
    pub fn wait_until_not_ready(&self, object: &str, reason: &str) -> String {
        let mut message = String::new();
        self.wait_until(&format!("{object} is not Ready because of {reason}"), || {
            let ready = self.condition(object, "Ready");
            let is_so = ready.as_ref().is_some_and(|(status, found, _)| status == "False" && found == reason);
            message = ready.map(|(_, _, message)| message).unwrap_or_default();
            Ok(is_so)
        });
        message
    }

    /// Waits until an object is gone.
    pub fn wait_until_gone(&self, object: &str) {
        self.wait_until(&format!("{object} is gone"), || Ok(self.get(object).is_none()));
    }

    /// Waits for a state.
    pub fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> Result<bool>) {
        let begin = Instant::now();
        loop {
            let last = is_so();
            if matches!(last, Ok(true)) {
                return;
            }
            if begin.elapsed() > WAIT_TIMEOUT {
                let objects = self.kubectl(&["get", "partners,clients", "-o", "yaml"]);
                panic!("in vain waited for: {what} ({last:?})\n{objects}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the tenant of a Client of `acme` as the platform holds it.
    pub fn read_client_tenant(&self, partner: &str, id: &str) -> Value {
        self.world.tenancy.get(&format!("{partner}/clients/{id}")).unwrap()
    }

    /// Returns the path of a Client's tenant.
    pub fn client_path(&self, partner: &str, id: &str) -> String {
        format!("{partner}/clients/{id}")
    }

    /// Returns the reasons of the events about an object.
    pub fn event_reasons(&self, name: &str) -> Vec<String> {
        let field = format!("regarding.name={name}");
        let text = self.kubectl(&[
            "get",
            "events.v1.events.k8s.io",
            "--field-selector",
            &field,
            "-o",
            "jsonpath={.items[*].reason}",
        ]);
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Returns the confirmation that the object's status offers, under `deletion`, with a grace period.
    pub fn offered_confirmation(&self, object: &str, grace: u32) -> Value {
        let mut block = String::new();
        self.wait_until(&format!("{object} says how to confirm"), || {
            let found = self.get(object).unwrap_or_default();
            found["status"]["termination"]["howToConfirm"].as_str().unwrap_or_default().clone_into(&mut block);
            Ok(!block.is_empty())
        });
        let mut spec: Value = serde_yaml::from_str(&block).unwrap();
        spec["deletion"]["gracePeriodSeconds"] = json!(grace);
        json!({"spec": spec})
    }
}
