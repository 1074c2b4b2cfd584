#ifndef KMD_CONF_INT_H
#define KMD_CONF_INT_H

#include <stdbool.h>

#include "kmd_conf.h"

/* Private to conf/: one line of the environment or of the file, and what its name is. */

struct conf_line {
	char *name, *value; /* owned */
	int number;         /* of the line in the file; 0 in the environment */
};

struct conf_source {
	const char *path; /* borrowed; NULL: the environment */
	struct conf_line *lines;
	size_t count, cap;
};

enum conf_kind {
	CONF_FOREIGN, /* none of our business */
	CONF_UNKNOWN, /* looks like ours and is not */
	CONF_KEY,     /* of the family table */
	CONF_KAFKA,   /* a librdkafka property */
	CONF_PG,      /* libpq's */
};

/* A name taken apart: "KAFKA_SASL_PASSWORD_FILE" has base "KAFKA_SASL_PASSWORD" and from_file. Borrows from the name.
 */
struct conf_name {
	enum conf_kind kind;
	struct kmd_str base;
	bool from_file;
};

/** Pure. */
struct conf_name conf_name_of(const char *name);
const struct kmd_conf_key *conf_key_find(struct kmd_str name);
bool conf_kafka_is_secret(const char *setting);

void conf_source_env(struct conf_source *s, const char *const *env);
/** Lines NAME=value of s->path. KMD_ECONFIG names the line. */
int conf_source_file(struct conf_source *s, struct kmd_err *err) KMD_MUST_CHECK;
/** The last line with that base and that way of giving it, or NULL. */
const struct conf_line *conf_source_find(const struct conf_source *s, struct kmd_str base, bool from_file);
void conf_source_fini(struct conf_source *s);
/** All of a file, given; trailing newlines cut. */
int conf_read_file(const char *path, char **ret, struct kmd_err *err) KMD_MUST_CHECK;
/** Overwrites the text in a way that is not optimised out, then frees. NULL is fine. */
void conf_wipe(char *text);

/** Parses @text by key->type into @field (see enum kmd_conf_type). KMD_EPARSE or KMD_ERANGE. */
int conf_value_parse(const struct kmd_conf_key *key, const char *text, void *field) KMD_MUST_CHECK;
/** Appends what is allowed: "a whole number from 1 to 64". */
void conf_value_allowed(const struct kmd_conf_key *key, struct kmd_buf *b);
/** Default of @key for one program; NULL: none. Points into the table or, where programs differ, into @scratch. */
const char *conf_default(const struct kmd_conf_key *key, enum kmd_conf_who who, char scratch[128]);

struct kmd_conf_entry {
	char *name, *value; /* owned; value NULL: unset */
	bool secret;
};

#endif
