//! The laboratory: an optical drive that is a program, and a suite that runs coldcut against it.
