//! The inventory while a repository is followed: nothing is applied before it stands in there.

use super::{GATHER, Message, News, State};
use crate::apply::write;
use crate::inventory::{Inventory, Set};
use crate::refusal::{Reason, Refusal};
use std::time::Duration;
use tokio::time::sleep;

impl State {
    pub(super) fn read_inventory(&self, after: Duration) {
        let (send, cluster) = (self.send.clone(), self.cluster.clone());
        let Some(set) = self.set.clone() else { return };
        tokio::spawn(async move {
            sleep(after).await;
            let read = match cluster.pages(&set).await {
                Ok(pages) => Inventory::read(&set, &pages).map_err(Refusal::unreachable),
                Err(refusal) => Err(refusal),
            };
            let _ = send.send(Message::Read(set, read));
        });
    }

    pub(super) fn read(&mut self, set: &Set, read: Result<Inventory, Refusal>) {
        // The workspace may have another name by now.
        if self.set.as_ref() != Some(set) {
            return;
        }
        match read {
            Ok(read) => {
                let known = match self.inventory.take() {
                    None => read.clone(),
                    // Somebody took it away: it is what we know, and is written anew.
                    Some(mut ours) if read.is_new() => {
                        ours.stands_as(&read);
                        ours
                    }
                    // Somebody else wrote it, too: what was changed here is changed there.
                    Some(ours) => read.clone().with_changes(&self.written, &ours),
                };
                self.written = read;
                self.inventory = Some(known);
                self.look();
                self.remember();
            }
            Err(refusal) => {
                self.listener.hear(&News::Lost(&refusal));
                self.read_inventory(refusal.retry_after.unwrap_or(Duration::from_secs(2)));
            }
        }
    }

    /// Writes what is not written yet.
    pub(super) fn remember(&mut self) {
        let (Some(set), Some(inventory)) = (&self.set, &self.inventory) else { return };
        if self.is_writing {
            return;
        }
        if inventory.entries == self.written.entries {
            return self.remembered();
        }
        self.is_writing = true;
        let (send, cluster, set) = (self.send.clone(), self.cluster.clone(), set.clone());
        let (mut inventory, before) = (inventory.clone(), self.written.clone());
        tokio::spawn(async move {
            let result = write(&cluster, &mut inventory, &before, &set).await;
            let _ = send.send(Message::Written(set, Box::new((inventory, result))));
        });
    }

    pub(super) fn wrote(&mut self, set: &Set, (written, result): (Inventory, Result<(), Refusal>)) {
        self.is_writing = false;
        if self.set.as_ref() != Some(set) {
            return self.remember();
        }
        match result {
            Ok(()) => {
                if let Some(inventory) = &mut self.inventory {
                    inventory.stands_as(&written);
                }
                self.written = written;
                self.remembered();
                // More may have come while it was written.
                self.flush_soon();
            }
            Err(refusal) => {
                self.listener.hear(&News::Lost(&refusal));
                let after = match refusal.kind {
                    Reason::Stale => Duration::ZERO,
                    _ => refusal.retry_after.unwrap_or(Duration::from_secs(2)),
                };
                // What is there now is read, and what was changed here is changed in that.
                self.read_inventory(after);
            }
        }
    }

    /// Has what was applied remembered soon, with what follows.
    pub(super) fn flush_soon(&mut self) {
        let is_behind =
            self.inventory.as_ref().is_some_and(|it| it.entries != self.written.entries);
        if is_behind && !self.is_flushing {
            self.is_flushing = true;
            self.after(GATHER, Message::Flush);
        }
    }

    pub(super) async fn remember_all(&mut self) {
        let (Some(set), Some(inventory)) = (&self.set, &mut self.inventory) else { return };
        if inventory.entries != self.written.entries && !self.is_writing {
            let _ = write(&self.cluster, inventory, &self.written, set).await;
        }
    }
}
