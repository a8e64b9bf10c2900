// SPDX-License-Identifier: Apache-2.0
//! Hugging Face's `tokenizers` behind the C ABI: whole texts, and text as ids come.

use crate::{bytes, guarded, text, Buffer, View};
use std::sync::Arc;
use tokenizers::Tokenizer;

/// What a stream holds back at most: longer runs that end in a replacement character are not an incomplete character.
const MAX_HELD_IDS: usize = 16;

pub struct Loaded {
    tokenizer: Arc<Tokenizer>,
    vocabulary: i64,
}

fn load(json: &[u8]) -> Result<Loaded, String> {
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| e.to_string())?;
    // Length is the package's business (maxTokens, padToken), never the file's.
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
    let vocabulary = tokenizer.get_vocab(true).values().max().map_or(0, |id| i64::from(*id) + 1);
    Ok(Loaded { tokenizer: Arc::new(tokenizer), vocabulary })
}

fn encode(tokenizer: &Tokenizer, text: &str, special: bool) -> Result<Vec<u8>, String> {
    let encoding = tokenizer.encode_fast(text, special).map_err(|e| e.to_string())?;
    Ok(encoding.get_ids().iter().flat_map(|id| id.to_ne_bytes()).collect())
}

/// Decodes a window of ids, so that a step costs the same however long the text is. `ids[..read]` has been given out and
/// is kept as context (decoders look at what stands before a token); `ids[read..]` waits to become whole characters.
pub struct Stream {
    tokenizer: Arc<Tokenizer>,
    skip_special: bool,
    ids: Vec<u32>,
    read: usize,
}

impl Stream {
    fn push(&mut self, id: u32) -> Result<String, String> {
        if self.skip_special && self.is_special(id) {
            return Ok(String::new());
        }
        self.ids.push(id);
        self.advance(false)
    }

    fn is_special(&self, id: u32) -> bool {
        let added = self.tokenizer.get_added_vocabulary();
        added.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special)
    }

    /// What is certain by now; with `all`, everything.
    fn advance(&mut self, all: bool) -> Result<String, String> {
        let given = self.decode(&self.ids[..self.read])?;
        let whole = self.decode(&self.ids)?;
        let full = self.ids.len() - self.read >= MAX_HELD_IDS;
        let incomplete = whole.ends_with('\u{FFFD}') || whole.len() <= given.len();
        if incomplete && !all && !full {
            return Ok(String::new());
        }
        let fresh = match whole.strip_prefix(given.as_str()) {
            Some(fresh) => fresh.to_string(),
            // A byte that does not fit changed how the decoder reads those before it; they are out already.
            None => self.decode(&self.ids[self.read..])?,
        };
        self.ids.drain(..self.read);
        self.read = self.ids.len();
        Ok(fresh)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, String> {
        if ids.is_empty() {
            return Ok(String::new());
        }
        self.tokenizer.decode(ids, self.skip_special).map_err(|e| e.to_string())
    }
}

/// # Safety
/// As serin_text.h says; so for every function below.
#[no_mangle]
pub unsafe extern "C" fn serin_tokenizer_load(json: View, error: *mut Buffer) -> *mut Loaded {
    let mut loaded = std::ptr::null_mut();
    guarded(error, || {
        loaded = Box::into_raw(Box::new(load(bytes(json))?));
        Ok(Vec::new())
    });
    loaded
}

#[no_mangle]
pub unsafe extern "C" fn serin_tokenizer_free(tokenizer: *mut Loaded) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn serin_tokenizer_vocabulary(tokenizer: *const Loaded) -> i64 {
    (*tokenizer).vocabulary
}

#[no_mangle]
pub unsafe extern "C" fn serin_tokenizer_encode(
    tokenizer: *const Loaded,
    input: View,
    special: bool,
    out: *mut Buffer,
) -> bool {
    guarded(out, || encode(&(*tokenizer).tokenizer, text(input)?, special))
}

#[no_mangle]
pub unsafe extern "C" fn serin_tokenizer_decode(
    tokenizer: *const Loaded,
    ids: *const u32,
    count: usize,
    skip_special: bool,
    out: *mut Buffer,
) -> bool {
    guarded(out, || {
        let ids = if count == 0 { &[] } else { std::slice::from_raw_parts(ids, count) };
        let decoded = (*tokenizer).tokenizer.decode(ids, skip_special).map_err(|e| e.to_string())?;
        Ok(decoded.into_bytes())
    })
}

#[no_mangle]
pub unsafe extern "C" fn serin_tokenizer_token(tokenizer: *const Loaded, id: u32, out: *mut Buffer) -> bool {
    guarded(out, || {
        let token = (*tokenizer).tokenizer.id_to_token(id).ok_or("no such token")?;
        Ok(token.into_bytes())
    })
}

#[no_mangle]
pub unsafe extern "C" fn serin_stream_new(tokenizer: *const Loaded, skip_special: bool) -> *mut Stream {
    let tokenizer = Arc::clone(&(*tokenizer).tokenizer);
    Box::into_raw(Box::new(Stream { tokenizer, skip_special, ids: Vec::new(), read: 0 }))
}

#[no_mangle]
pub unsafe extern "C" fn serin_stream_push(stream: *mut Stream, id: u32, out: *mut Buffer) -> bool {
    guarded(out, || Ok((*stream).push(id)?.into_bytes()))
}

#[no_mangle]
pub unsafe extern "C" fn serin_stream_finish(stream: *mut Stream, out: *mut Buffer) -> bool {
    guarded(out, || Ok((*stream).advance(true)?.into_bytes()))
}

#[no_mangle]
pub unsafe extern "C" fn serin_stream_free(stream: *mut Stream) {
    if !stream.is_null() {
        drop(Box::from_raw(stream));
    }
}
