#include "kmd_left.h"

#include <stdatomic.h>

static atomic_bool left;

void kmd_left_note(void)
{
	atomic_store(&left, true);
}

bool kmd_left(void)
{
	return atomic_load(&left);
}
