#ifndef INGEST_CRC32C_H
#define INGEST_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** CRC-32C (Castagnoli) of @n bytes, continuing @crc (0 at first): crc(ab) == crc(crc(0, a), b). */
uint32_t ingest_crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
