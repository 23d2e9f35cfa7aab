//! A reader that remembers the bytes of the row that is being read, so that places in it can be told.

use std::io::{self, Read};

use super::sheet::ROW_BYTES_MAX;

/// The bytes from the last released offset to what was read last.
pub(super) struct Window<R> {
    inner: R,
    kept: Vec<u8>,
    /// The offset of the first kept byte in the file.
    base: usize,
}

impl<R> Window<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            kept: Vec::new(),
            base: 0,
        }
    }

    /// The bytes between two offsets that are still kept.
    pub(super) fn slice(&self, start: usize, end: usize) -> &[u8] {
        let within = |at: usize| at.saturating_sub(self.base).min(self.kept.len());
        &self.kept[within(start)..within(end)]
    }

    /// Forgets what lies before an offset; cheap, because it waits until there is much to forget.
    pub(super) fn release(&mut self, offset: usize) {
        let done = offset.saturating_sub(self.base).min(self.kept.len());
        if done * 2 > self.kept.len() {
            self.kept.drain(..done);
            self.base += done;
        }
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.kept.len() > 2 * ROW_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.inner.read(buffer)?;
        self.kept.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_released_is_forgotten_and_the_rest_keeps_its_offset() {
        let mut window = Window::new(&b"0123456789"[..]);
        let mut buffer = [0; 8];
        assert_eq!(window.read(&mut buffer).expect("bytes"), 8);
        window.release(6);
        assert_eq!(window.slice(6, 8), b"67");
        assert_eq!(window.read(&mut buffer).expect("bytes"), 2);
        assert_eq!(window.slice(7, 10), b"789");
    }

    #[test]
    fn a_row_without_end_is_given_up() {
        let mut window = Window::new(io::repeat(b'x'));
        let mut buffer = vec![0; ROW_BYTES_MAX];
        let failed = (0..10).find_map(|_| window.read(&mut buffer).err());
        assert_eq!(
            failed.map(|error| error.kind()),
            Some(io::ErrorKind::FileTooLarge)
        );
    }
}
