/*
 * Feeds files to a fuzz target, where the compiler has no libFuzzer: each file of each folder named on the command
 * line, in the order of their names. A regression test of what fuzzing found.
 */
#include <dirent.h>

#include "fuzz.h"

static void run_file(const char *path)
{
	FILE *f = fopen(path, "re");
	struct kmd_buf b = {0};
	struct kmd_str exact;

	if (!f) {
		perror(path);
		exit(1);
	}
	for (size_t got = 1; got > 0; b.n += got)
		got = fread(kmd_buf_reserve(&b, 4096), 1, 4096, f);
	(void)fclose(f);
	exact = fuzz_exact(kmd_buf_str(&b));
	kmd_buf_fini(&b);
	(void)fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput((const uint8_t *)exact.p, exact.n);
	free((char *)exact.p);
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int run_folder(const char *folder)
{
	struct dirent **entries;
	const int count = scandir(folder, &entries, is_visible, alphasort);

	if (count < 0) {
		perror(folder);
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		struct kmd_buf path = {0};

		kmd_buf_addf(&path, "%s/%s", folder, entries[i]->d_name);
		kmd_buf_addc(&path, '\0');
		run_file(path.p);
		kmd_buf_fini(&path);
		free(entries[i]);
	}
	free(entries);
	return count;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++)
		files += run_folder(argv[i]);
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	(void)printf("%d files\n", files);
	return files > 0 ? 0 : 1;
}
