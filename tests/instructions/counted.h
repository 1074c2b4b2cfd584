#ifndef COUNTED_H
#define COUNTED_H

/*
 * A program here prepares its input, then calls measured(), whose instructions (and those of what it calls) are counted
 * by callgrind, and prints how many records that were. Called once before, uncounted, for memory to have its size.
 */
#define COUNTED __attribute__((noinline, used))

#endif
