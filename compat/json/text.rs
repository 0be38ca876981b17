use axum::body::Bytes;

/// What is written before is copied where it is shorter than this; longer, it is passed on as it is.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// A text that is being written, in pieces: what others have too is not copied.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pieces: Vec<Bytes>,
    /// Bytes of them.
    before: usize,
    last: Vec<u8>,
}

impl Text {
    /// Empty, with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Text {
        Text { last: Vec::with_capacity(bytes), ..Text::default() }
    }

    /// Where the next bytes go.
    pub(super) fn last(&mut self) -> &mut Vec<u8> {
        &mut self.last
    }

    pub(crate) fn put(&mut self, text: &str) {
        self.last.extend_from_slice(text.as_bytes());
    }

    pub(super) fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.last.extend_from_slice(bytes);
        }
        self.close();
        self.before = self.before.saturating_add(bytes.len());
        self.pieces.push(bytes.clone());
    }

    fn close(&mut self) {
        if !self.last.is_empty() {
            self.before = self.len();
            self.pieces.push(std::mem::take(&mut self.last).into());
        }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.before.saturating_add(self.last.len())
    }

    /// What was written, piece by piece.
    pub(crate) fn into_pieces(mut self) -> Vec<Bytes> {
        self.close();
        self.pieces
    }

    /// What was written, in one piece.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        if self.pieces.is_empty() { self.last } else { self.into_pieces().concat() }
    }
}
