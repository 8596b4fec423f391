/* CRC-32 by the "slicing by 8" method: eight tables, eight bytes a round. */
#include "crc32.h"

#include <string.h>

static uint32_t table[8][256];
static int ready;

static void
prepare(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        }
        table[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = table[slice - 1][byte];
            table[slice][byte] = (crc >> 8) ^ table[0][crc & 0xFF];
        }
    }
    ready = 1;
}

uint32_t
crc32_of(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *at = data;
    if (!ready) {
        prepare();
    }
    crc = ~crc;
    while (size >= 8) {
        uint32_t low = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        uint32_t high = (uint32_t)at[4] | (uint32_t)at[5] << 8 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 24;
        low ^= crc;
        crc = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24]
              ^ table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^ table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24];
        at += 8;
        size -= 8;
    }
    while (size--) {
        crc = (crc >> 8) ^ table[0][(crc ^ *at++) & 0xFF];
    }
    return ~crc;
}
