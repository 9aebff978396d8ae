//! The ARP monitor's targets: adding and removing, in the ways of sysfs (`+` and `-`) and of a link message (a list).

use std::net::Ipv4Addr;
use std::time::Duration;

use super::error::{BondError, Errno};
use super::{Bond, MAX_ARP_TARGETS};

const NAME: &str = "arp_ip_target";

fn refuse<T>(errno: Errno, value: &str, reason: &str) -> Result<T, BondError> {
    Err(BondError::new(errno, NAME, value, reason))
}

/// Checks a target against those that there are.
fn check(targets: &[Ipv4Addr], target: Ipv4Addr) -> Result<(), BondError> {
    let value = target.to_string();
    if target.is_unspecified() || target.is_broadcast() {
        return refuse(Errno::EINVAL, &value, "not the address of a host");
    }
    if targets.contains(&target) {
        return refuse(Errno::EINVAL, &value, "is a target already");
    }
    if targets.len() >= MAX_ARP_TARGETS {
        return refuse(
            Errno::EINVAL,
            &value,
            "there are 16 targets already: remove one",
        );
    }
    Ok(())
}

impl Bond {
    /// `+a.b.c.d` adds one, `-a.b.c.d` removes one, `a.b.c.d,e.f.g.h` replaces all, nothing removes all.
    pub(super) fn set_arp_targets(&mut self, now: Duration, text: &str) -> Result<(), BondError> {
        let text = text.trim();
        if let Some(one) = text.strip_prefix('+') {
            let target = parse(one, text, Errno::EPERM)?;
            check(&self.options.arp_targets, target)?;
            self.add_target(now, target);
        } else if let Some(one) = text.strip_prefix('-') {
            let target = parse(one, text, Errno::EPERM)?;
            let targets = &self.options.arp_targets;
            let Some(at) = targets.iter().position(|t| *t == target) else {
                return refuse(Errno::EINVAL, text, "is no target");
            };
            self.options.arp_targets.remove(at);
            for slave in &mut self.slaves {
                slave.target_rx.remove(at);
            }
        } else {
            let mut targets = Vec::new();
            for one in text.split(',').filter(|t| !t.is_empty()) {
                let target = parse(one, text, Errno::EINVAL)?;
                check(&targets, target)?;
                targets.push(target);
            }
            self.options.arp_targets.clear();
            for slave in &mut self.slaves {
                slave.target_rx.clear();
            }
            for target in targets {
                self.add_target(now, target);
            }
        }
        Ok(())
    }

    fn add_target(&mut self, now: Duration, target: Ipv4Addr) {
        self.options.arp_targets.push(target);
        for slave in &mut self.slaves {
            slave.target_rx.push(Some(now));
        }
    }
}

fn parse(one: &str, text: &str, errno: Errno) -> Result<Ipv4Addr, BondError> {
    match one.trim().parse() {
        Ok(target) => Ok(target),
        Err(_) => refuse(errno, text, "not an IPv4 address, +address or -address"),
    }
}
