//! Which bucket of the rate limit a request is counted in, as far as answers told. Pure.

use std::collections::HashMap;

/// Tenants beyond which those of a class are learnt again.
const MAX_TENANTS_PER_CLASS: usize = 1024;

/// What a request is, as far as buckets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RateLimitRoute {
    /// Tenant that the path begins with.
    pub(super) tenant: String,
    /// Method and path without any id: a closed set.
    pub(super) class: String,
}

/// The buckets of all classes.
#[derive(Default)]
pub(super) struct RateLimitBuckets(HashMap<String, ClassBuckets>);

enum ClassBuckets {
    /// One bucket so far, and the tenant whose answer named it last: it is taken to be the one of all tenants.
    Shared { bucket: String, tenant: String },
    /// Two tenants had two buckets, so each tenant has its own.
    PerTenant(HashMap<String, String>),
}

impl RateLimitBuckets {
    /// The bucket that a request will be counted in; nothing where no answer told.
    pub(super) fn bucket_for(&self, route: &RateLimitRoute) -> Option<&str> {
        match self.0.get(&route.class)? {
            ClassBuckets::Shared { bucket, tenant: _ } => Some(bucket),
            ClassBuckets::PerTenant(buckets) => buckets.get(&route.tenant).map(String::as_str),
        }
    }

    /// An answer named the bucket of its request.
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
