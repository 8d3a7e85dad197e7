// The CRC-32 of gzip. RFC 1952, 8.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace gantry {

// Goes on from the checksum of what came before, 0 at first.
uint32_t Crc32(uint32_t crc, const uint8_t* bytes, size_t size);

}  // namespace gantry
