//! Which function of the test's own program an address lies in, by the program's table of symbols.

/// The functions, by where they begin, as offsets from the first page of code.
pub(crate) struct Symbols(Vec<(u64, String)>);

/// A little-endian number of a file.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let mut word = [0; 8];
    word[..length].copy_from_slice(&bytes[at..at + length]);
    u64::from_le_bytes(word)
}

impl Symbols {
    /// Those of this program, an ELF file of 64 bits.
    pub(crate) fn new() -> Self {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let all = |at: usize, size: usize, count: usize| {
            let [start, size, count] = [(at, 8), (size, 2), (count, 2)]
                .map(|(at, length)| number(&file, at, length) as usize);
            (0..count).map(move |index| start + index * size)
        };
        // Program headers: one that is loaded, to be executed.
        let code = all(32, 54, 56).find(|&at| {
            number(&file, at, 4) == u64::from(libc::PT_LOAD)
                && number(&file, at + 4, 4) & u64::from(libc::PF_X) != 0
        });
        let first = number(&file, code.unwrap() + 16, 8) & !4095;
        // Section headers: the table of symbols (2), which names that of its strings.
        let sections: Vec<usize> = all(40, 58, 60).collect();
        let table = sections
            .iter()
            .find(|&&at| number(&file, at + 4, 4) == 2)
            .expect("a program with symbols");
        let place = |at: usize| [24, 32].map(|field| number(&file, at + field, 8) as usize);
        let [start, length] = place(*table);
        let [strings, _] = place(sections[number(&file, table + 40, 4) as usize]);
        let mut functions: Vec<_> = file[start..start + length]
            .chunks_exact(24)
            // Functions (2).
            .filter(|symbol| symbol[4] & 15 == 2)
            .map(|symbol| {
                let name = &file[strings + number(symbol, 0, 4) as usize..];
                let end = name.iter().position(|byte| *byte == 0).unwrap();
                let name = String::from_utf8_lossy(&name[..end]).into_owned();
                (number(symbol, 8, 8).saturating_sub(first), name)
            })
            .collect();
        functions.sort();
        Self(functions)
    }

    /// The mangled name of the function that has a call before `address`.
    pub(crate) fn around(&self, address: u64) -> &str {
        let behind = self.0.partition_point(|(start, _)| *start < address);
        behind.checked_sub(1).map_or("", |at| &self.0[at].1)
    }
}
