//! Which bucket of the rate limit a request is counted in, as far as answers told. Pure.

use std::collections::HashMap;

/// Tenants beyond which those of a class are learnt again.
const MANY: usize = 1024;

/// What a request is, as far as buckets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Tenant that the path begins with.
    pub(super) tenant: String,
    /// Method and path without any id: a closed set.
    pub(super) class: String,
}

/// The buckets of all classes.
#[derive(Default)]
pub(super) struct Buckets(HashMap<String, Class>);

enum Class {
    /// One bucket so far, and the tenant whose answer named it last: it is taken to be the one of all tenants.
    Common { bucket: String, tenant: String },
    /// Two tenants had two buckets, so each tenant has its own.
    Split(HashMap<String, String>),
}

impl Buckets {
    /// The bucket that a request will be counted in; nothing where no answer told.
    pub(super) fn of(&self, route: &Route) -> Option<&str> {
        match self.0.get(&route.class)? {
            Class::Common { bucket, tenant: _ } => Some(bucket),
            Class::Split(buckets) => buckets.get(&route.tenant).map(String::as_str),
        }
    }

    /// An answer named the bucket of its request.
    pub(super) fn learn(&mut self, route: &Route, name: &str) {
        let common = || Class::Common { bucket: name.to_owned(), tenant: route.tenant.clone() };
        let Some(class) = self.0.get_mut(&route.class) else {
            self.0.insert(route.class.clone(), common());
            return;
        };
        match class {
            Class::Common { bucket, tenant } if bucket == name || *tenant == route.tenant => *class = common(),
            Class::Common { bucket, tenant } => {
                let seen = [(tenant.clone(), bucket.clone()), (route.tenant.clone(), name.to_owned())];
                *class = Class::Split(seen.into());
            }
            Class::Split(buckets) => {
                if buckets.len() >= MANY {
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

    fn route(tenant: &str, class: &str) -> Route {
        Route { tenant: tenant.to_owned(), class: class.to_owned() }
    }

    #[test]
    fn a_bucket_is_of_all_tenants_until_two_have_two() {
        let mut buckets = Buckets::default();
        assert_eq!(buckets.of(&route("msp_1", "read")), None);
        buckets.learn(&route("msp_1", "read"), "a");
        assert_eq!(buckets.of(&route("msp_2", "read")), Some("a"));
        assert_eq!(buckets.of(&route("msp_1", "create")), None, "another class may be counted elsewhere");
        buckets.learn(&route("msp_1", "read"), "b");
        assert_eq!(buckets.of(&route("msp_2", "read")), Some("b"), "a bucket may get another name");
        buckets.learn(&route("msp_2", "read"), "c");
        assert_eq!(buckets.of(&route("msp_1", "read")), Some("b"));
        assert_eq!(buckets.of(&route("msp_2", "read")), Some("c"));
        assert_eq!(buckets.of(&route("msp_3", "read")), None);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut buckets = Buckets::default();
        for tenant in 0..3 * MANY {
            buckets.learn(&route(&tenant.to_string(), "read"), &tenant.to_string());
        }
        let Some(Class::Split(of)) = buckets.0.get("read") else { panic!("not split") };
        assert!(of.len() <= MANY);
    }
}
