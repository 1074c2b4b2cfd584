#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdio.h>

#include "kmd_app.h"

/* The command line of a program. Pure, but for the printing of the help. */

struct options {
	bool help, version, check, print;
	const char *config;                    /* NULL: none */
	const struct kmd_app_command *command; /* NULL: run the service */
	const char *command_arg;
};

/** Texts borrow from @argv. KMD_EPARSE: bad usage. */
int options_parse(
    const struct kmd_app_ops *ops, int argc, char **argv, struct options *ret, struct kmd_err *err) KMD_MUST_CHECK;
void options_help(const struct kmd_app_ops *ops, FILE *out);

#endif
