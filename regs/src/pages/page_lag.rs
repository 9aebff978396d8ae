page! {
    /// Link aggregation: groups, policies, buckets.
    lag @ 0x4000 {
        /// Per group.
        GROUP @0x000 [8; 4] Rw { /// See `values::hash_policy` (Linux numbering of xmit_hash_policy).
            POLICY: 0+4, /// The group is in use.
            ENABLE: 4+1, /// See `values::lag_mode`: 0 hash (XOR, 802.3ad), 1 active-backup.
            MODE: 5+2, /// The active member in active-backup.
            ACTIVE: 8+4 };
        /// Members of a group that may send (distributing), bit per port.
        DISTRIBUTING @0x020 [8; 4] Rw;
        /// Members whose frames are accepted (collecting), bit per port.
        COLLECTING @0x040 [8; 4] Rw;
        /// Group and bucket for bucket access.
        BUCKET_INDEX @0x080 Rw { /// Bucket, 0 to 839.
            BUCKET: 0+10, /// Group.
            GROUP: 12+3 };
        /// Writing stores a member into the bucket that BUCKET_INDEX names; reading gives it.
        BUCKET @0x084 Rwh { /// Port number.
            MEMBER: 0+4, /// The bucket is filled.
            VALID: 4+1 };
        /// Frames addressed to the group, by the FDB or by the host, for which it had no live member, per group. A flood that passes
        /// the group by is addressed to nobody and does not count.
        NO_MEMBER @0x0a0 [8; 4] Ro;
        /// Frames that the source pruning kept from returning to their group, all groups.
        PRUNED @0x0c0 Ro;
    }
}
