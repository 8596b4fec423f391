/* CRC-32 (IEEE 802.3, as zlib's crc32), eight bytes at a time. */
#ifndef ASYNCIO_TRACE_CRC32_H
#define ASYNCIO_TRACE_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(uint32_t crc, const void *data, size_t size);

#endif
