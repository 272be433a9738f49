//! Background tasks that run as long as the process. A task that ends is noticed, and all of them end with their owner.

use futures::future::select_all;
use tokio::task::JoinHandle;

use super::OperatorError;

/// Tasks by name.
#[derive(Default)]
pub(crate) struct BackgroundTasks(Vec<(&'static str, JoinHandle<()>)>);

impl BackgroundTasks {
    /// Adds a task.
    pub(crate) fn push(&mut self, name: &'static str, task: JoinHandle<()>) {
        self.0.push((name, task));
    }

    /// Waits until one of the tasks has ended.
    pub(crate) async fn wait_for_first_end(&mut self) -> OperatorError {
        let ends = self.0.iter_mut().map(|(name, task)| {
            Box::pin(async move {
                let why = match task.await {
                    Ok(()) => "it came to its end".to_owned(),
                    Err(failed) => failed.to_string(),
                };
                OperatorError::TaskEnded { task: name, why }
            })
        });
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() {
            return std::future::pending().await;
        }
        select_all(ends).await.0
    }
}

impl Drop for BackgroundTasks {
    fn drop(&mut self) {
        for (_, task) in &self.0 {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_the_tasks_the_one_that_ends_is_named_and_the_others_end_with_their_owner() {
        let (alive, mut is_alive) = tokio::sync::oneshot::channel::<()>();
        let mut tasks = BackgroundTasks::default();
        tasks.push(
            "waits",
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(alive);
            }),
        );
        tasks.push("panics", tokio::spawn(async { panic!("a defect") }));
        // With a timeout: if the end went unnoticed, this test would hang.
        let ended = tokio::time::timeout(std::time::Duration::from_secs(1), tasks.wait_for_first_end()).await;
        let ended = ended.unwrap().to_string();
        assert!(ended.contains("`panics`") && ended.contains("a defect"), "{ended}");
        is_alive.try_recv().unwrap_err();
        drop(tasks);
        is_alive.await.unwrap_err();
    }
}
