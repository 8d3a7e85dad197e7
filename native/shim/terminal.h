// A terminal as the shim holds it: the end that a person would sit at.
#pragma once

#include <stdint.h>

#include "fd.h"
#include "result.h"

namespace gantry {

class Terminal {
 public:
  // Takes the master of a terminal that a process has made.
  Result Adopt(Fd master);
  // Hangs up: whoever has the terminal is sent SIGHUP.
  void Close();

  bool valid() const { return master_.valid(); }
  int get() const { return master_.get(); }

  // Returns the errno, ENOTTY if there is no terminal.
  int Resize(uint32_t columns, uint32_t rows);

  // Types the character that ends input. False if there is no room for it now.
  bool TypeEnd();

 private:
  Fd master_;
  // Held for as long: a master reads as hung up whenever no process has its terminal open, so before the first has.
  Fd slave_;
};

}  // namespace gantry
