/* bunzip2.c: expands bzip2 data.

       cc -O2 -o bunzip2 bunzip2.c
       ./bunzip2 < FILE.bz2 > FILE

   bzip2 has no standard. This program is here so that the files of these discs can be
   expanded where nobody has bzip2 any more: it is complete, it is C89 and needs nothing
   but the C library, and it says what the format is.

   Input: one or more bzip2 streams that follow each other. Exit codes: 0 done; 1 the input
   is damaged, or is not bzip2 data (all blocks before the damaged one were written, and
   maybe a part of it); 2 input or output failed, or no memory.

   To the extent possible under law, the authors have dedicated this program to the public
   domain worldwide (CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/). It comes
   without any warranty.

   The format, in bits, of each byte the highest first:

   stream   the bytes "BZh" and a digit 1 to 9, the level: a block has at most 100,000 x level
            bytes; blocks; the 48 bits 17 72 45 38 50 90 (hexadecimal); 32 bits: the blocks'
            CRCs together, c = (c rotated left by 1) xor the block's CRC, from 0 on; bits up to
            the next byte
   block    the 48 bits 31 41 59 26 53 59; 32 bits CRC of what the block expands to; 1 bit
            "randomised" (0 since 1999); 24 bits: the row of the sorted rotations that is the
            text; the map of bytes in use; the Huffman tables; the symbols
   map      16 bits, for each bit that is set 16 more: bytes 0 to 255 that occur
   tables   3 bits: how many there are (2 to 6); 15 bits: how many selectors; for each
            selector its place in a list of tables that moves to the front what it takes, as
            so many ones and a zero; for each table 5 bits, the length of the first code; then
            for each symbol 10: one longer, 11: one shorter, as often as needed, 0: this is it
   symbols  50 by each selector's table. 0 and 1 (RUNA, RUNB): digits 1 and 2, the lowest
            first, of a number in base 2 with these digits: so many times the front of the
            list; n: the n-th byte of the list (from 0), which moves to the front; the last
            symbol (bytes in use + 1): the end of the block
   text     the last column of the sorted rotations (Burrows and Wheeler); after four equal
            bytes of it one byte says how many more of them follow (0 to 255)

   The CRC is that of polynomial 04C11DB7, highest bit first, begun with all ones, and
   inverted at the end. */

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#define MASK 0xFFFFFFFFUL /* unsigned long can have more than 32 bits */
#define LONGEST 20        /* bits of a code */
#define SYMBOLS 258
#define TABLES 6
#define SELECTORS 18002 /* a block of 900,000 symbols needs no more */

typedef unsigned long u32;

struct table {
  u32 first[LONGEST + 2];   /* of each length: the first code, */
  unsigned count[LONGEST + 2]; /* how many there are, */
  unsigned start[LONGEST + 2]; /* and where their symbols begin */
  unsigned symbol[SYMBOLS];
};

static u32 crc_table[256];
static struct table tables[TABLES];
static unsigned char selectors[SELECTORS];
static u32 *text; /* of each byte of a block: the byte, and above it a link */

/* ------------------------------------------------------------ input and output */

static void stop(int code, const char *why) {
  fflush(stdout);
  fprintf(stderr, "bunzip2: %s\n", why);
  exit(code);
}

static unsigned char in[65536];
static size_t in_at, in_end;
static unsigned waiting;      /* bits that were read and not used: */
static unsigned waiting_bits; /* so many, the lowest ones of it */

/* The next byte, -1 at the end. */
static int next_byte(void) {
  if (in_at == in_end) {
    in_at = 0;
    in_end = fread(in, 1, sizeof in, stdin);
    if (in_end == 0) {
      if (ferror(stdin)) stop(2, "the input cannot be read");
      return -1;
    }
  }
  return in[in_at++];
}

static u32 bits(unsigned count) {
  u32 value = 0;
  int byte;
  while (count > 0) {
    if (waiting_bits == 0) {
      byte = next_byte();
      if (byte < 0) stop(1, "the input ends too early");
      waiting = (unsigned)byte;
      waiting_bits = 8;
    }
    if (count >= waiting_bits) {
      value = (value << waiting_bits) | (waiting & ((1U << waiting_bits) - 1));
      count -= waiting_bits;
      waiting_bits = 0;
    } else {
      waiting_bits -= count;
      value = (value << count) | ((waiting >> waiting_bits) & ((1U << count) - 1));
      count = 0;
    }
  }
  return value & MASK;
}

static unsigned char out[65536];
static size_t out_end;

static void flush_out(void) {
  if (fwrite(out, 1, out_end, stdout) != out_end) stop(2, "the output cannot be written");
  out_end = 0;
}

static void make_crc_table(void) {
  u32 i, c;
  int k;
  for (i = 0; i < 256; i++) {
    c = i << 24;
    for (k = 0; k < 8; k++) c = (c & 0x80000000UL) ? ((c << 1) ^ 0x04C11DB7UL) & MASK : (c << 1) & MASK;
    crc_table[i] = c;
  }
}

/* ------------------------------------------------------------ Huffman codes */

static void make_table(struct table *t, const unsigned char *length, unsigned symbols) {
  unsigned bit, s, at = 0;
  u32 code = 0;
  for (bit = 0; bit <= LONGEST + 1; bit++) t->count[bit] = 0;
  for (s = 0; s < symbols; s++) t->count[length[s]]++;
  for (bit = 1; bit <= LONGEST; bit++) {
    code = (code << 1) & MASK;
    t->first[bit] = code;
    t->start[bit] = at;
    code += t->count[bit];
    for (s = 0; s < symbols; s++)
      if (length[s] == bit) t->symbol[at++] = s;
  }
}

static unsigned next_symbol(const struct table *t) {
  u32 code = 0;
  unsigned bit;
  for (bit = 1; bit <= LONGEST; bit++) {
    code = (code << 1) | bits(1);
    if (code >= t->first[bit] && code - t->first[bit] < t->count[bit])
      return t->symbol[t->start[bit] + (unsigned)(code - t->first[bit])];
  }
  stop(1, "damaged: no such code");
  return 0;
}

/* Reads selectors and tables; how many selectors there are. */
static unsigned read_tables(unsigned symbols) {
  unsigned char place[TABLES], length[SYMBOLS];
  unsigned count = (unsigned)bits(3), used = (unsigned)bits(15), i, j, k, current;
  if (count < 2 || count > TABLES || used == 0) stop(1, "damaged: no tables");
  for (i = 0; i < count; i++) place[i] = (unsigned char)i;
  for (i = 0; i < used; i++) {
    unsigned char taken;
    for (j = 0; bits(1) == 1; j++)
      if (j + 1 >= count) stop(1, "damaged: no such table");
    taken = place[j];
    for (; j > 0; j--) place[j] = place[j - 1];
    place[0] = taken;
    if (i < SELECTORS) selectors[i] = taken; /* some programs write more than are needed */
  }
  for (i = 0; i < count; i++) {
    current = (unsigned)bits(5);
    for (k = 0; k < symbols; k++) {
      for (;;) {
        if (current < 1 || current > LONGEST) stop(1, "damaged: a code of no length");
        if (bits(1) == 0) break;
        if (bits(1) == 0) current++; else current--;
      }
      length[k] = (unsigned char)current;
    }
    make_table(&tables[i], length, symbols);
  }
  return used < SELECTORS ? used : SELECTORS;
}

/* ------------------------------------------------------------ blocks */

/* Reads the symbols of a block to `text`; how many bytes these are. `counts` becomes how
   often each byte occurs. */
static u32 read_symbols(u32 most, u32 *counts) {
  unsigned char front[256];
  unsigned in_use = 0, i, j, used, left = 0, at = 0, symbol;
  u32 size = 0, run = 0, weight = 1, groups = bits(16);
  const struct table *t = &tables[0];

  for (i = 0; i < 256; i++) counts[i] = 0;
  for (i = 0; i < 16; i++)
    if (groups & (0x8000UL >> i)) {
      u32 group = bits(16);
      for (j = 0; j < 16; j++)
        if (group & (0x8000UL >> j)) front[in_use++] = (unsigned char)(16 * i + j);
    }
  if (in_use == 0) stop(1, "damaged: a block without bytes");
  used = read_tables(in_use + 2);

  for (;;) {
    if (left == 0) {
      if (at == used) stop(1, "damaged: too few selectors");
      t = &tables[selectors[at++]];
      left = 50;
    }
    left--;
    symbol = next_symbol(t);
    if (symbol <= 1) {
      if (weight > most) stop(1, "damaged: a run that is too long");
      run += weight << symbol;
      weight <<= 1;
      continue;
    }
    if (run > 0) {
      if (run > most - size) stop(1, "damaged: a block that is too long");
      counts[front[0]] += run;
      while (run > 0) {
        text[size++] = front[0];
        run--;
      }
    }
    weight = 1;
    if (symbol == in_use + 1) return size;
    {
      unsigned char taken = front[symbol - 1];
      if (size == most) stop(1, "damaged: a block that is too long");
      for (j = symbol - 1; j > 0; j--) front[j] = front[j - 1];
      front[0] = taken;
      text[size++] = taken;
      counts[taken]++;
    }
  }
}

/* Writes what a block is the sorted rotations of; its CRC. */
static u32 write_block(u32 size, u32 origin, const u32 *counts) {
  u32 start[256], sum = 0, i, at, crc = MASK;
  unsigned equal = 0, more;
  int last = -1;

  for (i = 0; i < 256; i++) {
    start[i] = sum;
    sum += counts[i];
  }
  /* Each byte of the last column, with the row in which it is the first. */
  for (i = 0; i < size; i++) text[start[text[i] & 0xFF]++] |= i << 8;
  at = text[origin] >> 8;
  for (i = 0; i < size; i++) {
    unsigned byte = (unsigned)(text[at] & 0xFF);
    at = text[at] >> 8;
    if (equal == 4) {
      more = byte;
      byte = (unsigned)last;
      equal = 0;
      last = -1;
    } else {
      more = 1;
      equal = (int)byte == last ? equal + 1 : 1;
      last = (int)byte;
    }
    for (; more > 0; more--) {
      crc = ((crc << 8) & MASK) ^ crc_table[(crc >> 24) ^ byte];
      out[out_end++] = (unsigned char)byte;
      if (out_end == sizeof out) flush_out();
    }
  }
  return crc ^ MASK;
}

/* Expands a stream behind its "BZ". */
static void expand_stream(void) {
  u32 counts[256], level, together = 0, high, low, crc, origin, size;
  if (bits(8) != 'h') stop(1, "this is not bzip2 data");
  level = bits(8) - '0';
  if (level < 1 || level > 9) stop(1, "this is not bzip2 data");
  for (;;) {
    high = bits(24);
    low = bits(24);
    crc = bits(32);
    if (high == 0x177245UL && low == 0x385090UL) {
      if (crc != together) stop(1, "damaged: the CRC of the stream is wrong");
      waiting_bits = 0; /* the next stream begins with a byte */
      return;
    }
    if (high != 0x314159UL || low != 0x265359UL) stop(1, "damaged: no block where one should be");
    if (bits(1) != 0) stop(1, "a randomised block, from a bzip2 older than 1999: not done here");
    origin = bits(24);
    size = read_symbols(level * 100000UL, counts);
    if (origin >= size) stop(1, "damaged: a block without a beginning");
    if (write_block(size, origin, counts) != crc) stop(1, "damaged: the CRC of a block is wrong");
    flush_out();
    together = (((together << 1) | (together >> 31)) & MASK) ^ crc;
  }
}

int main(void) {
  int byte;
#ifdef _WIN32
  _setmode(_fileno(stdin), _O_BINARY);
  _setmode(_fileno(stdout), _O_BINARY);
#endif
  make_crc_table();
  text = malloc(900000UL * sizeof *text);
  if (text == NULL) stop(2, "no memory");
  byte = next_byte();
  do {
    if (byte != 'B' || next_byte() != 'Z') stop(1, "this is not bzip2 data");
    expand_stream();
    byte = next_byte();
  } while (byte >= 0);
  if (fflush(stdout) != 0) stop(2, "the output cannot be written");
  return 0;
}
