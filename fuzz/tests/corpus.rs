//! Runs every target on the stored corpus and on small mutations of it: a short run that
//! checks the same properties as the long one of `scripts/fuzz`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use numeneon_fuzz::{TARGETS, Target};

/// Mutations of each input: a few seconds in total, without optimisation.
const MUTATIONS: u64 = 500;

/// Returns the stored inputs of a target and their paths.
fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("an input"))).collect()
}

/// Runs a target, and prints the input if it panics.
fn run(target: Target, source: &str, bytes: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) {
        eprintln!("target {} with {source}: {:?}", target.name, String::from_utf8_lossy(bytes));
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_target_accepts_its_stored_corpus() {
    for target in TARGETS {
        let inputs = corpus(*target);
        assert!(inputs.len() >= 5, "the corpus of {} is nearly empty", target.name);
        for (path, bytes) in inputs {
            run(*target, &path.display().to_string(), &bytes);
        }
    }
}

#[test]
fn every_target_accepts_mutations_of_its_corpus() {
    let mut random = Random(0x6e75_6d65_6e65_6f6e);
    for target in TARGETS {
        let inputs = corpus(*target);
        for (path, bytes) in &inputs {
            for _ in 0..MUTATIONS {
                let other = &inputs[random.below(inputs.len())].1;
                let mutated = mutate(&mut random, bytes, other);
                run(*target, &format!("a mutation of {}", path.display()), &mutated);
            }
        }
    }
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in fs::read_dir(corpus).expect("the corpus") {
        let name = entry.expect("a folder").file_name().into_string().expect("a name");
        assert!(numeneon_fuzz::target(&name).is_some(), "no target is called {name}");
    }
}

/// A generator with the same numbers in each run, so that failures are reproducible
/// (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }
}

/// Makes one to four changes: replaces a byte, removes or repeats a slice, inserts one from
/// another input, or inserts a byte that is significant to parsers.
fn mutate(random: &mut Random, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    const SIGNIFICANT: &[u8] = b"\"\\{}[]:,.;=&%+-$/@!*\0\n\r 09eE\xff\xc3\x80";
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let position = random.below(bytes.len() + 1);
        let end = (position + random.below(16)).min(bytes.len());
        match random.below(5) {
            0 => {
                if let Some(byte) = bytes.get_mut(position) {
                    *byte = random.next().to_le_bytes()[0];
                }
            }
            1 => drop(bytes.drain(position..end)),
            2 => {
                let slice = bytes[position..end].to_vec();
                bytes.splice(position..position, slice);
            }
            3 => {
                let start = random.below(other.len() + 1);
                let slice = &other[start..(start + random.below(24)).min(other.len())];
                bytes.splice(position..end, slice.iter().copied());
            }
            _ => bytes.insert(position, SIGNIFICANT[random.below(SIGNIFICANT.len())]),
        }
    }
    bytes
}
