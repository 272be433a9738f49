//! Permission to change anything, checked right before a change is sent.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::error::CallError;
use super::http::ExchangeError;

/// The error of a change without permission.
const NOT_LEADING_MESSAGE: &str = "this operator no longer leads";

/// Decides whether changes may be sent; by default they may.
#[derive(Clone)]
pub struct ChangeGuard(Arc<dyn Fn() -> bool + Send + Sync>);

impl ChangeGuard {
    /// Builds a guard that calls this function for each check.
    pub fn new(may_change: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(may_change))
    }

    /// Sends a change while it is permitted. The permission is checked at each poll: a change that still waits for a
    /// connection when the permission ends is never sent.
    pub(super) async fn send_change<T>(
        &self,
        exchange: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        let mut exchange = pin!(exchange);
        let mut is_begun = false;
        std::future::poll_fn(|context| {
            if (self.0)() {
                is_begun = true;
                return exchange.as_mut().poll(context);
            }
            Poll::Ready(Err(if is_begun {
                ExchangeError::Broken(NOT_LEADING_MESSAGE.to_owned())
            } else {
                ExchangeError::InvalidRequest(CallError::not_sent(NOT_LEADING_MESSAGE))
            }))
        })
        .await
    }
}

impl Default for ChangeGuard {
    fn default() -> Self {
        Self::new(|| true)
    }
}

impl fmt::Debug for ChangeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&(self.0)()).finish()
    }
}
