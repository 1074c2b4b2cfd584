#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"
#include "kmd_sign.h"

/* kmd_sign.h: keys and signatures are no part of a history. */

struct kmd_signer {
	int unused;
};

int kmd_signer_new(struct kmd_signer **ret, const char *key_id, const char *pem_path, struct kmd_err *err)
{
	(void)key_id;
	(void)pem_path;
	(void)err;
	*ret = kmd_calloc(1, sizeof(**ret));
	return 0;
}

void kmd_signer_free(struct kmd_signer *s)
{
	free(s);
}

int kmd_signer_refresh(struct kmd_signer *s, struct kmd_err *err)
{
	(void)s;
	(void)err;
	return 0;
}

int kmd_signer_sign(struct kmd_signer *s, struct kmd_wall now, const char *method, struct kmd_str path,
    struct kmd_sign_headers *ret, struct kmd_err *err)
{
	(void)s;
	(void)now;
	(void)method;
	(void)path;
	(void)err;
	memset(ret, 0, sizeof(*ret));
	return 0;
}

int kmd_sign_check_ca(const char *path, struct kmd_err *err)
{
	(void)path;
	(void)err;
	return 0;
}
