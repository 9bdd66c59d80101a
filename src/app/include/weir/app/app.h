#pragma once
// The `weir` command: parses arguments, runs one command, returns its exit code. main() only calls this.

namespace weir {

// Reads the process's environment, files, standard input and output. Call once, from the main thread.
int RunWeir(int argc, const char* const* argv);

}  // namespace weir
