//! Splits Verilog into one file per module.
//!
//! Verilator's lint wants each module in a file of its own name (DECLFILENAME); a generator writes
//! them all into one text. Only enough is lexed to find `module` and `endmodule` outside comments,
//! strings and escaped identifiers. What stands between two modules (directives, comments) goes with
//! the module that follows; what follows the last one stays with the last.

/// A module's name and its source text.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// Name of the module.
    pub name: String,
    /// Its source, newline at the end.
    pub text: String,
}

/// Splits `source`; a text without modules gives an empty list.
pub fn split(source: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let (mut start, mut name, mut expect_name) = (0, None::<&str>, false);
    for (token, end) in (Words { source, at: 0 }) {
        match token {
            "module" | "macromodule" if name.is_none() => expect_name = true,
            "automatic" | "static" if expect_name => {}
            "endmodule" => {
                if let Some(name) = name.take() {
                    let text = finished(&source[start..end]);
                    units.push(Unit {
                        name: name.into(),
                        text,
                    });
                    start = end;
                }
            }
            word if expect_name => {
                name = Some(word);
                expect_name = false;
            }
            _ => {}
        }
    }
    if let (Some(last), rest) = (units.last_mut(), source[start..].trim()) {
        // An unfinished module or trailing text: the tool shall see it and say what is wrong.
        if !rest.is_empty() {
            last.text.push_str(&finished(rest));
        }
    }
    units
}

fn finished(text: &str) -> String {
    format!("{}\n", text.trim())
}

/// Words (identifiers and keywords) outside comments and strings, each with the offset behind it.
struct Words<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = (&'a str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.source.as_bytes();
        let until = |from: usize, end: &str| {
            self.source[from..]
                .find(end)
                .map_or(bytes.len(), |i| from + i + end.len())
        };
        let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'$';
        let mut at = self.at;
        while at < bytes.len() {
            match bytes[at] {
                b'/' if bytes.get(at + 1) == Some(&b'/') => at = until(at, "\n"),
                b'/' if bytes.get(at + 1) == Some(&b'*') => at = until(at + 2, "*/"),
                b'"' => {
                    at += 1;
                    while at < bytes.len() && bytes[at] != b'"' {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    at += 1;
                }
                b'\\' => {
                    at += bytes[at..]
                        .iter()
                        .take_while(|c| !c.is_ascii_whitespace())
                        .count()
                }
                c if word(c) => {
                    let len = bytes[at..].iter().take_while(|c| word(**c)).count();
                    self.at = at + len;
                    return Some((&self.source[at..at + len], at + len));
                }
                _ => at += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_outside_comments_and_strings() {
        let source = "`timescale 1ns/1ps\n// module x\nmodule a(input wire i);\n\
             /* endmodule */ initial $display(\"endmodule \\\" module q\");\nendmodule\n\n\
             (* keep *) module automatic b$c;\n wire \\endmodule ; endmodule // é end\n";
        let units = split(source);
        let names: Vec<_> = units.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["a", "b$c"]);
        assert!(units[0].text.starts_with("`timescale") && units[0].text.ends_with("endmodule\n"));
        assert!(units[1].text.starts_with("(* keep *) module automatic b$c"));
    }

    #[test]
    fn unfinished_text_stays_for_the_tool_to_refuse() {
        let units = split("module a; endmodule module b; wire");
        assert_eq!(units.len(), 1);
        assert!(units[0].text.contains("module b; wire"));
        assert!(split("nothing \"unclosed \\").is_empty());
    }
}
