//! Leave to change anything, asked for right before a change is sent.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::error::CallError;
use super::http::ExchangeFault;

/// What a change without leave comes to.
const NOT_LEADING_MESSAGE: &str = "this operator no longer leads";

/// Says whether changes may be sent; by default they may.
#[derive(Clone)]
pub struct ChangeGuard(Arc<dyn Fn() -> bool + Send + Sync>);

impl ChangeGuard {
    /// A guard that asks each time.
    pub fn new(may_change: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(may_change))
    }

    /// Sends a change while there is leave. It is asked for again whenever the exchange goes on: what still waits for a
    /// connection when the leave ends is never sent.
    pub(super) async fn send_change<T>(
        &self,
        exchange: impl Future<Output = Result<T, ExchangeFault>>,
    ) -> Result<T, ExchangeFault> {
        let mut exchange = pin!(exchange);
        let mut is_begun = false;
        std::future::poll_fn(|context| {
            if (self.0)() {
                is_begun = true;
                return exchange.as_mut().poll(context);
            }
            Poll::Ready(Err(if is_begun {
                ExchangeFault::Broken(NOT_LEADING_MESSAGE.to_owned())
            } else {
                ExchangeFault::InvalidRequest(CallError::not_sent(NOT_LEADING_MESSAGE))
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
