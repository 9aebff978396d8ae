//! Who is above and below whom; one master a device; the receive handler.

use std::sync::Arc;

use super::Core;
use super::notify::Event;
use crate::device::{Dev, Flags, PrivFlags};
use crate::error::{Errno, NetdevError, Result};
use crate::netpoll;
use crate::softnet::rx::RxHandler;

/// Devices that may be stacked.
pub const MAX_NEST: usize = 8;

/// Every device below (not the device itself), nearest first, each once.
fn all_below(dev: &Dev) -> Vec<Dev> {
    let mut found: Vec<Dev> = dev.lowers().to_vec();
    let mut next = 0;
    while next < found.len() {
        for lower in found[next].lowers().iter() {
            if !found.iter().any(|d| d == lower) {
                found.push(lower.clone());
            }
        }
        next += 1;
    }
    found
}

fn height(dev: &Dev) -> usize {
    dev.lowers().iter().map(height).max().map_or(0, |h| h + 1)
}

fn depth(dev: &Dev) -> usize {
    dev.uppers().iter().map(depth).max().map_or(0, |d| d + 1)
}

impl Core {
    /// Links `lower` below `upper`. EINVAL for a device and itself, ELOOP when `upper` is somewhere below `lower` or the stack would be too
    /// high, EEXIST when they are linked, a subscriber's refusal (taken back in reverse if it comes after the fact).
    pub fn upper_link(&mut self, lower: &Dev, upper: &Dev) -> Result<()> {
        self.link_devices(lower, upper, false)
    }

    /// Links `lower` below `upper` as its slave: as [`Core::upper_link`], and EBUSY when it has a master; netpoll of the master is set up on the slave, and its
    /// refusal refuses all.
    pub fn master_upper_link(&mut self, lower: &Dev, master: &Dev) -> Result<()> {
        self.link_devices(lower, master, true)
    }

    fn link_devices(&mut self, lower: &Dev, upper: &Dev, master: bool) -> Result<()> {
        self.must_have(lower)?;
        self.must_have(upper)?;
        let refuse =
            |errno, reason: String| Err(NetdevError::new(errno, "upper", upper.name(), reason));
        let name = lower.name();
        if lower == upper {
            return refuse(Errno::Invalid, "a device cannot be above itself".into());
        }
        if all_below(lower).iter().any(|d| d == upper) {
            return refuse(
                Errno::Loop,
                format!("it is below {name} already: that would be a loop"),
            );
        }
        if height(lower) + 1 + depth(upper) > MAX_NEST {
            return refuse(
                Errno::Loop,
                format!("more than {MAX_NEST} devices would be stacked"),
            );
        }
        if let Some(other) = lower.master().filter(|_| master) {
            let errno = if other == *upper {
                Errno::Exists
            } else {
                Errno::Busy
            };
            return refuse(
                errno,
                format!(
                    "{name} has the master {} already: release it first",
                    other.name()
                ),
            );
        }
        if lower.uppers().iter().any(|d| d == upper) {
            return refuse(Errno::Exists, format!("it is above {name} already"));
        }
        let event = |linking| (upper.clone(), linking);
        let pre = |(upper, linking)| Event::PreChangeUpper {
            upper,
            master,
            linking,
        };
        let post = |(upper, linking)| Event::ChangeUpper {
            upper,
            master,
            linking,
        };
        self.notify(lower, &pre(event(true)))?;
        netpoll::lower_joins(self, upper, lower)?;
        self.insert_link(lower, upper, master);
        if let Err(error) = self.notify(lower, &post(event(true))) {
            self.remove_link(lower, upper);
            let _ = self.notify(lower, &post(event(false)));
            netpoll::lower_leaves(self, upper, lower);
            return Err(error);
        }
        self.update_headroom(upper);
        self.link_message(lower, Some(&post(event(true))));
        Ok(())
    }

    /// Takes the link away, and the slave's netpoll; nothing if there is none.
    pub fn upper_unlink(&mut self, lower: &Dev, upper: &Dev) {
        if !lower.uppers().iter().any(|d| d == upper) {
            return;
        }
        let master = lower.master().is_some_and(|m| m == *upper);
        let (upper_2, linking) = (upper.clone(), false);
        let pre = Event::PreChangeUpper {
            upper: upper_2,
            master,
            linking,
        };
        let _ = self.notify(lower, &pre);
        self.remove_link(lower, upper);
        netpoll::lower_leaves(self, upper, lower);
        self.update_headroom(upper);
        let (upper, linking) = (upper.clone(), false);
        self.announce(
            lower,
            &Event::ChangeUpper {
                upper,
                master,
                linking,
            },
        );
    }

    fn insert_link(&mut self, lower: &Dev, upper: &Dev, master: bool) {
        let mut below = upper.lowers().to_vec();
        below.push(lower.clone());
        upper.lowers.store(Arc::new(below));
        let mut config = lower.config();
        config.uppers.push(upper.clone());
        if master {
            config.master = Some(upper.clone());
        }
    }

    fn remove_link(&mut self, lower: &Dev, upper: &Dev) {
        let below = upper
            .lowers()
            .iter()
            .filter(|d| *d != lower)
            .cloned()
            .collect();
        upper.lowers.store(Arc::new(below));
        let mut config = lower.config();
        config.uppers.retain(|d| d != upper);
        config.master = config.master.take().filter(|m| m != upper);
    }

    /// A device's frames need the most room that one below it needs; told upwards.
    pub fn update_headroom(&mut self, dev: &Dev) {
        let below = dev.lowers();
        let own = dev.hard_header_len();
        let wants = |d: &Dev| (d.needed_headroom() + d.hard_header_len()).saturating_sub(own);
        let needed = below.iter().map(wants).max().unwrap_or(0);
        // A VLAN device's tag has to fit as well.
        let needed = needed + crate::vlan::own_headroom(dev);
        if needed != dev.needed_headroom() {
            dev.set_needed_headroom(needed);
            for upper in dev.uppers() {
                self.update_headroom(&upper);
            }
        }
    }

    /// Puts a device into a master, or takes it out of the one that it has: by the operations of the masters (`do_set_master`). EOPNOTSUPP for a
    /// device that is no master.
    pub fn set_master(&mut self, dev: &Dev, master: Option<&Dev>) -> Result<()> {
        self.must_have(dev)?;
        if let Some(current) = dev.master() {
            if master.is_some_and(|m| *m == current) {
                return Ok(());
            }
            self.leave_master(dev, &current)?;
        }
        let Some(master) = master else {
            return Ok(());
        };
        self.must_have(master)?;
        let flags = dev.flags();
        self.notify(dev, &Event::Join)?;
        let result = master.ops().add_slave(self, master, dev);
        self.link_message(dev, Some(&Event::Change(flags ^ dev.flags())));
        result
    }

    pub(super) fn leave_master(&mut self, dev: &Dev, master: &Dev) -> Result<()> {
        self.announce(dev, &Event::Release);
        master.ops().del_slave(self, master, dev)
    }

    /// Gives a device's frames to a handler: EBUSY if it has one, EINVAL if it takes none.
    pub fn rx_handler_register(&mut self, dev: &Dev, handler: Box<dyn RxHandler>) -> Result<()> {
        self.must_have(dev)?;
        let refuse = |errno, reason| Err(NetdevError::new(errno, "device", dev.name(), reason));
        if dev.has_rx_handler() {
            return refuse(
                Errno::Busy,
                "something else takes its frames already: release it first",
            );
        }
        if dev.priv_flags().contains(PrivFlags::NO_RX_HANDLER) {
            return refuse(Errno::Invalid, "it gives its frames to nobody else");
        }
        dev.rx_handler.store(Some(Arc::new(handler)));
        Ok(())
    }

    /// Takes the handler away: no thread is in it any more when this returns. ENOENT if there was none.
    pub fn rx_handler_unregister(&mut self, dev: &Dev) -> Result<()> {
        if dev.rx_handler.swap(None).is_none() {
            let reason = "nobody takes its frames";
            return Err(NetdevError::new(
                Errno::NoEntry,
                "device",
                dev.name(),
                reason,
            ));
        }
        self.shared.synchronize();
        Ok(())
    }

    /// Marks a device as a slave, or not any more.
    pub fn set_slave_flag(&mut self, dev: &Dev, on: bool) {
        dev.set_flag(Flags::SLAVE, on);
    }

    /// Marks a device as a master, or not any more.
    pub fn set_master_flag(&mut self, dev: &Dev, on: bool) {
        dev.set_flag(Flags::MASTER, on);
    }
}
