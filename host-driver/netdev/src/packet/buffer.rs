//! The bytes under a packet, and the way back to their pool.

use std::sync::Arc;

use super::pool::Store;

/// Bytes from head to end, owned by the packets that share them.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    home: Option<Arc<Store>>,
}

impl Buffer {
    pub(super) fn plain(len: usize) -> Self {
        Self {
            bytes: vec![0; len].into(),
            home: None,
        }
    }

    pub(super) fn pooled(len: usize, home: Arc<Store>) -> Self {
        Self {
            home: Some(home),
            ..Self::plain(len)
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
    pub(super) fn home(&self) -> Option<&Arc<Store>> {
        self.home.as_ref()
    }

    /// A buffer of at least `len` bytes, from the same pool if that has one that is large enough.
    pub(super) fn another(&self, len: usize) -> Arc<Self> {
        let pooled = self
            .home
            .as_ref()
            .filter(|h| h.buffer_len() >= len)
            .and_then(|h| h.take());
        pooled.unwrap_or_else(|| Arc::new(Self::plain(len)))
    }

    /// Gives the buffer up; the last one to do so sends it home.
    pub(super) fn release(mut this: Arc<Self>) {
        if this.home.is_none() {
            return;
        }
        if Arc::get_mut(&mut this).is_some() {
            if let Some(home) = this.home.clone() {
                home.give(this);
            }
        } else if let Some(buffer) = Arc::into_inner(this)
            && let Some(home) = buffer.home.clone()
        {
            // Two let go at the same time and this one was the last: `into_inner` tells exactly one of them.
            home.give(Arc::new(buffer));
        }
    }
}
