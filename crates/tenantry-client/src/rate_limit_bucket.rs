//! Learns from answers which rate limit bucket a request is counted in. Pure.

use std::collections::HashMap;

/// Above this number of tenants, the buckets of a class are learnt again.
const MAX_TENANTS_PER_CLASS: usize = 1024;

/// The route of a request, as far as buckets depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RateLimitRoute {
    /// The tenant at the start of the path.
    pub(super) tenant: String,
    /// Method and path without any id; a closed set.
    pub(super) class: String,
}

/// The buckets of all classes.
#[derive(Default)]
pub(super) struct RateLimitBuckets(HashMap<String, ClassBuckets>);

enum ClassBuckets {
    /// One bucket was seen, with the tenant whose answer named it last. It is assumed to serve all tenants.
    Shared { bucket: String, tenant: String },
    /// Two tenants had different buckets, so each tenant has its own.
    PerTenant(HashMap<String, String>),
}

impl RateLimitBuckets {
    /// Returns the bucket that a request will be counted in; `None` if no answer has named it.
    pub(super) fn bucket_for(&self, route: &RateLimitRoute) -> Option<&str> {
        match self.0.get(&route.class)? {
            ClassBuckets::Shared { bucket, tenant: _ } => Some(bucket),
            ClassBuckets::PerTenant(buckets) => buckets.get(&route.tenant).map(String::as_str),
        }
    }

    /// Records the bucket that an answer named.
    pub(super) fn record_bucket(&mut self, route: &RateLimitRoute, name: &str) {
        let common = || ClassBuckets::Shared { bucket: name.to_owned(), tenant: route.tenant.clone() };
        let Some(class) = self.0.get_mut(&route.class) else {
            self.0.insert(route.class.clone(), common());
            return;
        };
        match class {
            ClassBuckets::Shared { bucket, tenant } if bucket == name || *tenant == route.tenant => *class = common(),
            ClassBuckets::Shared { bucket, tenant } => {
                let seen = [(tenant.clone(), bucket.clone()), (route.tenant.clone(), name.to_owned())];
                *class = ClassBuckets::PerTenant(seen.into());
            }
            ClassBuckets::PerTenant(buckets) => {
                if buckets.len() >= MAX_TENANTS_PER_CLASS {
                    buckets.clear();
                }
                buckets.insert(route.tenant.clone(), name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(tenant: &str, class: &str) -> RateLimitRoute {
        RateLimitRoute { tenant: tenant.to_owned(), class: class.to_owned() }
    }

    #[test]
    fn a_bucket_is_of_all_tenants_until_two_have_two() {
        let mut buckets = RateLimitBuckets::default();
        assert_eq!(buckets.bucket_for(&route("msp_1", "read")), None);
        buckets.record_bucket(&route("msp_1", "read"), "a");
        assert_eq!(buckets.bucket_for(&route("msp_2", "read")), Some("a"));
        assert_eq!(buckets.bucket_for(&route("msp_1", "create")), None, "another class may be counted elsewhere");
        buckets.record_bucket(&route("msp_1", "read"), "b");
        assert_eq!(buckets.bucket_for(&route("msp_2", "read")), Some("b"), "a bucket may get another name");
        buckets.record_bucket(&route("msp_2", "read"), "c");
        assert_eq!(buckets.bucket_for(&route("msp_1", "read")), Some("b"));
        assert_eq!(buckets.bucket_for(&route("msp_2", "read")), Some("c"));
        assert_eq!(buckets.bucket_for(&route("msp_3", "read")), None);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut buckets = RateLimitBuckets::default();
        for tenant in 0..3 * MAX_TENANTS_PER_CLASS {
            buckets.record_bucket(&route(&tenant.to_string(), "read"), &tenant.to_string());
        }
        let Some(ClassBuckets::PerTenant(of)) = buckets.0.get("read") else { panic!("not split") };
        assert!(of.len() <= MAX_TENANTS_PER_CLASS);
    }
}
