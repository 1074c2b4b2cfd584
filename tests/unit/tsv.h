#ifndef TEST_TSV_H
#define TEST_TSV_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Tables of tests/data: one case a line, fields divided by tabs, lines that begin with # are comments. A bug found is a
 * line added. "<empty>" stands for the empty field, so that no editor loses it.
 */

#define TSV_FIELDS_MAX 8

struct tsv {
	FILE *file;
	char line[4096];
	const char *field[TSV_FIELDS_MAX];
	int fields, number; /* number of the line, for messages */
};

static bool tsv_open(struct tsv *t, const char *path)
{
	memset(t, 0, sizeof(*t));
	t->file = fopen(path, "re");
	return t->file != NULL;
}

/* Next case; closes the file at its end. */
static bool tsv_next(struct tsv *t)
{
	while (fgets(t->line, sizeof(t->line), t->file)) {
		t->number++;
		t->line[strcspn(t->line, "\n")] = '\0';
		if (t->line[0] == '#' || t->line[0] == '\0')
			continue;
		char *rest = t->line;
		for (t->fields = 0; rest && t->fields < TSV_FIELDS_MAX; t->fields++) {
			t->field[t->fields] = strsep(&rest, "\t");
			if (strcmp(t->field[t->fields], "<empty>") == 0)
				t->field[t->fields] = "";
		}
		return true;
	}
	(void)fclose(t->file);
	return false;
}

#endif
