//! The thread that has the mirror: it asks the repository, and tells whom lines are by.

use super::{Message, Order};
use crate::git::Mirror;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as threads};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The one that has the mirror.
pub(super) struct GitThread {
    pub(super) mirror: Mirror,
    pub(super) orders: threads::Receiver<Order>,
    pub(super) send: mpsc::UnboundedSender<Message>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) interval: Duration,
    pub(super) path: Option<String>,
}

impl GitThread {
    pub(super) fn run(mut self) {
        // What was fetched before is worked on even when nothing answers.
        let mut known = None;
        if let Some(tip) = self.mirror.tip()
            && self.show(&tip)
        {
            known = Some(tip);
        }
        let mut next = Instant::now();
        let mut failures = 0u32;
        while !self.stop.load(Ordering::Relaxed) {
            let mut is_wanted = Instant::now() >= next;
            if !is_wanted {
                // Short enough to end soon when asked to.
                let wait = next.duration_since(Instant::now()).min(Duration::from_millis(200));
                let first = match self.orders.recv_timeout(wait) {
                    Ok(order) => Some(order),
                    Err(threads::RecvTimeoutError::Timeout) => None,
                    Err(threads::RecvTimeoutError::Disconnected) => return,
                };
                // Pushes that came while it was asked are found by asking once more.
                for order in first.into_iter().chain(self.orders.try_iter()) {
                    match order {
                        Order::Fetch => is_wanted = true,
                        Order::Blame { commit, file, line, of } => {
                            if let Ok(blamed) = self.mirror.blame(&commit, &file, line) {
                                let _ = self.send.send(Message::Blamed(of, blamed));
                            }
                        }
                    }
                }
            }
            if !is_wanted {
                continue;
            }
            let began = Instant::now();
            let fetched = self.mirror.fetch(&self.stop);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let tip = fetched.as_ref().ok().map(|it| it.commit.clone());
            let _ = self.send.send(Message::Fetched(fetched, began.elapsed()));
            match tip {
                Some(tip) => {
                    failures = 0;
                    if known.as_ref() != Some(&tip) && self.show(&tip) {
                        known = Some(tip);
                    }
                }
                None => failures += 1,
            }
            // A server that fails is asked less often, up to ten times.
            let factor = 2u32.saturating_pow(failures).min(10);
            next = Instant::now() + self.interval * factor.max(1);
        }
    }

    fn show(&self, commit: &str) -> bool {
        let message = match self.mirror.load(commit, self.path.as_deref()) {
            Ok(revision) => Message::Seen(Box::new(revision)),
            Err(error) => Message::Unusable { commit: commit.to_owned(), why: error.to_string() },
        };
        self.send.send(message).is_ok()
    }
}
