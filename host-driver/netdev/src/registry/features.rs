//! Features: what users want, what can be on together, what the devices above and below allow.

use super::Core;
use super::notify::Event;
use crate::device::{Dev, Features};
use crate::error::{Errno, NetdevError, Result};

/// Takes away what makes no sense without something else (`netdev_fix_features`).
fn consistent(mut f: Features) -> Features {
    if f.contains(Features::HW_CSUM) {
        f.remove(Features::IP_CSUM | Features::IPV6_CSUM);
    }
    if !f.intersects(Features::CSUM_ANY) {
        f.remove(Features::SG);
    }
    if !f.intersects(Features::HW_CSUM | Features::IP_CSUM) {
        f.remove(Features::TSO);
    }
    if !f.intersects(Features::HW_CSUM | Features::IPV6_CSUM) {
        f.remove(Features::TSO6);
    }
    if !f.contains(Features::SG) {
        f.remove(Features::TSO_ANY | Features::GSO);
    }
    if !f.contains(Features::RXCSUM) {
        f.remove(Features::LRO);
    }
    if f.contains(Features::RXFCS) {
        f.remove(Features::LRO);
    }
    f
}

impl Core {
    /// A user turns features on and off. EINVAL for one that the device cannot turn; what comes of it may be less than wanted.
    pub fn set_features(&mut self, dev: &Dev, on: Features, off: Features) -> Result<Features> {
        self.must_have(dev)?;
        let (hw, _, _) = dev.feature_sets();
        let fixed = ((on - dev.features()) | (off & dev.features())) - hw;
        if !fixed.is_empty() {
            let words: Vec<_> = fixed.iter_names().map(|(name, _)| name).collect();
            let reason = format!("{} cannot change that", dev.name());
            return Err(NetdevError::new(
                Errno::Invalid,
                "features",
                words.join(","),
                reason,
            ));
        }
        {
            let mut config = dev.config();
            config.wanted_features = (config.wanted_features | on & hw) - off;
        }
        self.update_features(dev)?;
        Ok(dev.features())
    }

    /// What a driver or master says its device can do changed: works the features out again.
    pub fn set_feature_sets(&mut self, dev: &Dev, hw: Features, vlan: Features) -> Result<()> {
        {
            let mut config = dev.config();
            config.wanted_features = (config.wanted_features & hw) | (hw - config.hw_features);
            config.hw_features = hw;
            config.vlan_features = vlan;
        }
        self.update_features(dev)
    }

    /// Works the features out again and tells everybody if they changed (`netdev_update_features`).
    pub fn update_features(&mut self, dev: &Dev) -> Result<()> {
        let before = dev.features();
        self.update_features_quietly(dev)?;
        if dev.features() != before {
            self.announce(dev, &Event::FeatureChange(before));
        }
        Ok(())
    }

    pub(super) fn update_features_quietly(&mut self, dev: &Dev) -> Result<()> {
        let (hw, wanted, _) = dev.feature_sets();
        let active = dev.features();
        let mut features = dev.ops().fix_features(dev, (active - hw) | (wanted & hw));
        features = consistent(features);
        // What a device above has off and is done in hardware for it, is off below too.
        for upper in dev.uppers() {
            let (upper_hw, upper_wanted, _) = upper.feature_sets();
            features.remove(Features::UPPER_DISABLES & (upper_hw - upper_wanted));
        }
        if features != active {
            dev.ops().set_features(self, dev, features)?;
            dev.store_features(features);
        }
        for lower in dev.lowers().iter() {
            let (lower_hw, lower_wanted, _) = lower.feature_sets();
            let off =
                Features::UPPER_DISABLES & lower.features() & (lower_hw - features) & (hw - wanted);
            if !off.is_empty() {
                lower.config().wanted_features = lower_wanted - off;
                self.update_features(lower)?;
            }
        }
        Ok(())
    }
}
