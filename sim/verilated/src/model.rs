//! A loaded model: the safe face of the shim.

use crate::design::{Design, Direction, Options, Port};
use crate::{Error, compile};
use libloading::Library;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where a port lies in its packed buffer.
#[derive(Clone, Copy, Debug)]
struct Slot {
    word: usize,
    words: usize,
}

/// An input of one model (and of every other model of the same design).
#[derive(Clone, Copy, Debug)]
pub struct InputId(Slot);

/// An output of one model (and of every other model of the same design).
#[derive(Clone, Copy, Debug)]
pub struct OutputId(Slot);

type New = unsafe extern "C" fn(u32) -> *mut c_void;
type Delete = unsafe extern "C" fn(*mut c_void);
type Text = unsafe extern "C" fn(*mut c_void) -> *const c_char;
type Eval = unsafe extern "C" fn(*mut c_void, *const u32, *mut u32) -> c_int;
type Tick = unsafe extern "C" fn(*mut c_void, u32, u64, u64, *const u32, *mut u32) -> c_int;
type Open = unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;

/// The shim's entry points; valid as long as the library is loaded.
struct Functions {
    delete: Delete,
    error: Text,
    eval: Eval,
    tick: Tick,
    open_trace: Open,
    close_trace: Close,
}

/// A simulated design. See the crate's documentation for when inputs and outputs are seen.
pub struct Model {
    top: String,
    digest: String,
    shim: *mut c_void,
    functions: Functions,
    inputs: HashMap<String, Slot>,
    outputs: HashMap<String, Slot>,
    input: Vec<u32>,
    output: Vec<u32>,
    cycles: u64,
    period: u64,
    // Last: dropped after `Drop::drop` has deleted the shim.
    _library: Library,
}

// SAFETY: the shim owns its context and model and nothing in it is bound to the thread that made it;
// `&mut self` on every call that evaluates keeps it to one thread at a time. It is not `Sync`, since
// the raw pointer already forbids that.
unsafe impl Send for Model {}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("top", &self.top)
            .field("cycles", &self.cycles)
            .finish()
    }
}

fn layout<'a>(ports: impl Iterator<Item = &'a Port>) -> (HashMap<String, Slot>, usize) {
    let mut at = 0;
    let mut slots = HashMap::new();
    for port in ports {
        slots.insert(
            port.name.clone(),
            Slot {
                word: at,
                words: port.words(),
            },
        );
        at += port.words();
    }
    (slots, at)
}

impl Model {
    /// Builds the design, or finds it in the cache, and loads a fresh instance: all inputs and clocks
    /// 0, no edge yet, outputs settled; registers and memories without an initial value are 0, or
    /// random with [`Options::random`].
    pub fn build(design: &Design, options: &Options) -> Result<Model, Error> {
        let path = compile::shared_object(design, options)?;
        let fail = |source| Error::Load {
            path: path.clone(),
            source,
        };
        // SAFETY: the object was compiled by this crate from Verilator's output; its static
        // initialisers are those of the C++ standard library and of Verilator's run time.
        let library = unsafe { Library::new(&path) }.map_err(fail)?;
        // SAFETY: the names and types are those of shim.cpp, which is part of the cache's key.
        let (new, functions) = unsafe {
            let functions = Functions {
                delete: *library.get::<Delete>(b"sn_delete").map_err(fail)?,
                error: *library.get::<Text>(b"sn_error").map_err(fail)?,
                eval: *library.get::<Eval>(b"sn_eval").map_err(fail)?,
                tick: *library.get::<Tick>(b"sn_tick").map_err(fail)?,
                open_trace: *library.get::<Open>(b"sn_open_trace").map_err(fail)?,
                close_trace: *library.get::<Close>(b"sn_close_trace").map_err(fail)?,
            };
            (*library.get::<New>(b"sn_new").map_err(fail)?, functions)
        };
        // Verilator's seeds have 31 bits and 0 means none.
        let seed = options
            .random
            .map_or(0, |s| ((s ^ s >> 32) as u32 & 0x7fff_ffff).max(1));
        // SAFETY: `sn_new` takes any number and returns an owned shim or null.
        let shim = unsafe { new(seed) };
        if shim.is_null() {
            let problem = "its model cannot be constructed".into();
            return Err(Error::Design {
                top: design.top.clone(),
                problem,
            });
        }
        let (inputs, input_words) = layout(design.data_inputs());
        let (outputs, output_words) = layout(design.outputs());
        let mut model = Model {
            top: design.top.clone(),
            digest: design.digest(),
            shim,
            functions,
            inputs,
            outputs,
            input: vec![0; input_words],
            output: vec![0; output_words],
            cycles: 0,
            period: 8_000,
            _library: library,
        };
        model.eval();
        Ok(model)
    }

    /// [`Design::digest`] of what is simulated.
    pub fn verilog_digest(&self) -> &str {
        &self.digest
    }

    /// Looks up an input that is not a clock.
    pub fn input(&self, name: &str) -> Result<InputId, Error> {
        self.find(&self.inputs, Direction::In, name).map(InputId)
    }

    /// Looks up an output.
    pub fn output(&self, name: &str) -> Result<OutputId, Error> {
        self.find(&self.outputs, Direction::Out, name).map(OutputId)
    }

    fn find(
        &self,
        slots: &HashMap<String, Slot>,
        direction: Direction,
        name: &str,
    ) -> Result<Slot, Error> {
        slots.get(name).copied().ok_or_else(|| {
            let mut known: Vec<_> = slots.keys().map(String::as_str).collect();
            known.sort_unstable();
            Error::NoPort {
                top: self.top.clone(),
                direction: if direction == Direction::In {
                    "input"
                } else {
                    "output"
                },
                name: name.into(),
                known: known.join(", "),
            }
        })
    }

    /// Sets an input's lowest 64 bits (bits above its width are ignored) and clears the others; seen
    /// by the next [`Model::tick`] or [`Model::eval`].
    #[inline]
    pub fn set(&mut self, id: InputId, value: u64) {
        let words = &mut self.input[id.0.word..id.0.word + id.0.words];
        words[0] = value as u32;
        if let Some((second, rest)) = words[1..].split_first_mut() {
            *second = (value >> 32) as u32;
            rest.fill(0);
        }
    }

    /// Sets an input from 32-bit words, lowest first; missing words are 0, surplus words ignored.
    pub fn set_wide(&mut self, id: InputId, words: &[u32]) {
        let slot = &mut self.input[id.0.word..id.0.word + id.0.words];
        let n = words.len().min(slot.len());
        slot[..n].copy_from_slice(&words[..n]);
        slot[n..].fill(0);
    }

    /// An output's lowest 64 bits, as of the last tick or eval.
    #[inline]
    pub fn get(&self, id: OutputId) -> u64 {
        let low = u64::from(self.output[id.0.word]);
        if id.0.words == 1 {
            low
        } else {
            low | u64::from(self.output[id.0.word + 1]) << 32
        }
    }

    /// An output's 32-bit words, lowest first, as of the last tick or eval.
    #[inline]
    pub fn get_wide(&self, id: OutputId) -> &[u32] {
        &self.output[id.0.word..id.0.word + id.0.words]
    }

    /// Sets an input by name, for tests.
    ///
    /// # Panics
    /// If the design has no such input.
    #[track_caller]
    pub fn poke(&mut self, name: &str, value: u64) {
        match self.input(name) {
            Ok(id) => self.set(id, value),
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads an output by name, for tests.
    ///
    /// # Panics
    /// If the design has no such output.
    #[track_caller]
    pub fn peek(&self, name: &str) -> u64 {
        match self.output(name) {
            Ok(id) => self.get(id),
            Err(error) => panic!("{error}"),
        }
    }

    /// Settles combinational paths without a clock edge.
    ///
    /// # Panics
    /// If the design does not settle (a combinational loop).
    #[track_caller]
    pub fn eval(&mut self) {
        // SAFETY: the buffers have the words that the shim was generated for.
        let status = unsafe {
            (self.functions.eval)(self.shim, self.input.as_ptr(), self.output.as_mut_ptr())
        };
        self.check(status);
    }

    /// A rising edge of every clock in `mask` (bit = index in [`Design::clocks`]) at the same time,
    /// in one evaluation, then all clocks low again.
    ///
    /// # Panics
    /// If the design does not settle (a combinational loop).
    #[inline]
    #[track_caller]
    pub fn tick(&mut self, mask: u32) {
        self.run(mask, 1);
    }

    /// `count` ticks with the same inputs, in one foreign call.
    ///
    /// # Panics
    /// If the design does not settle (a combinational loop).
    #[track_caller]
    pub fn run(&mut self, mask: u32, count: u64) {
        // SAFETY: as in `eval`.
        let status = unsafe {
            let (input, output) = (self.input.as_ptr(), self.output.as_mut_ptr());
            (self.functions.tick)(self.shim, mask, count, self.period, input, output)
        };
        self.cycles += count;
        self.check(status);
    }

    #[inline]
    #[track_caller]
    fn check(&self, status: c_int) {
        if status != 0 {
            panic!(
                "simulation of `{}` failed at tick {}: {}",
                self.top,
                self.cycles,
                self.message()
            );
        }
    }

    fn message(&self) -> String {
        // SAFETY: the shim returns a terminated string that lives until its next call.
        let text = unsafe { CStr::from_ptr((self.functions.error)(self.shim)) };
        text.to_string_lossy().into_owned()
    }

    /// Ticks since the model was built.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Time from one tick to the next in the trace, in picoseconds (8,000 unless set: 125 MHz).
    pub fn set_period(&mut self, picoseconds: u64) {
        self.period = picoseconds;
    }

    /// Writes an FST trace of every signal to `path` from the next tick on; a trace that is open is
    /// closed first. Needs a model built with [`Options::trace`].
    pub fn open_trace(&mut self, path: &Path) -> Result<(), Error> {
        self.close_trace()?;
        let fail = |problem| Error::Trace {
            top: self.top.clone(),
            path: path.into(),
            problem,
        };
        // Verilator's writer does not report a file that it cannot create.
        std::fs::File::create(path).map_err(|e| fail(e.to_string()))?;
        let text = CString::new(path.as_os_str().as_bytes()).map_err(|e| fail(e.to_string()))?;
        // SAFETY: a terminated string that lives through the call.
        match unsafe { (self.functions.open_trace)(self.shim, text.as_ptr()) } {
            0 => Ok(()),
            _ => Err(fail(self.message())),
        }
    }

    /// Finishes the trace file; without an open trace this does nothing.
    pub fn close_trace(&mut self) -> Result<(), Error> {
        // SAFETY: the shim is alive.
        match unsafe { (self.functions.close_trace)(self.shim) } {
            0 => Ok(()),
            _ => Err(Error::Trace {
                top: self.top.clone(),
                path: Default::default(),
                problem: self.message(),
            }),
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the shim was made by `sn_new`, is deleted once, and the library is still loaded.
        unsafe { (self.functions.delete)(self.shim) }
    }
}
