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
            next = Instant::now() + pause(self.interval, failures);
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

/// How long nothing is asked after a fetch, by how many have failed since one did not. What was pushed may be just
/// what a failed one missed, so it is tried again soon, however rarely is asked otherwise; a server that goes on
/// failing is left more and more time.
fn pause(interval: Duration, failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return interval };
    let soon = interval.min(Duration::from_secs(5));
    soon.saturating_mul(2u32.saturating_pow(doublings)).min(interval.max(soon * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_fetch_missed_is_asked_for_soon_and_then_less_often() {
        for (interval, expected) in [
            (1, [1, 1, 2, 4, 8, 10, 10]),
            (10, [10, 5, 10, 20, 40, 50, 50]),
            (3600, [3600, 5, 10, 20, 40, 80, 160]),
        ] {
            let pauses =
                [0, 1, 2, 3, 4, 5, 6].map(|it| pause(Duration::from_secs(interval), it).as_secs());
            assert_eq!(pauses, expected, "an interval of {interval} s");
        }
        assert_eq!(pause(Duration::from_secs(3600), u32::MAX), Duration::from_secs(3600));
    }
}
