#include "kmd_rest.h"

#include <string.h>

void kmd_rest_encode(struct kmd_buf *b, struct kmd_str text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c && strchr(unreserved, c)) {
			kmd_buf_addc(b, (char)c);
		} else {
			const char code[3] = {'%', hex[c >> 4], hex[c & 15]};
			kmd_buf_add(b, code, sizeof(code));
		}
	}
}
