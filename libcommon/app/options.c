#include "options.h"

#include <string.h>

/* One argument taken apart: "--config=FILE" is option "--config" with an inline value. */
struct argument {
	struct kmd_str name;
	const char *inline_value; /* NULL: no "=" */
};

static struct argument take_apart(const char *arg)
{
	const char *eq = strchr(arg, '=');

	if (!eq)
		return (struct argument){kmd_str_z(arg), NULL};
	return (struct argument){{arg, (size_t)(eq - arg)}, eq + 1};
}

static bool *flag_of(struct options *o, struct kmd_str name)
{
	if (kmd_str_eqz(name, "--help"))
		return &o->help;
	if (kmd_str_eqz(name, "--version"))
		return &o->version;
	if (kmd_str_eqz(name, "--check"))
		return &o->check;
	return kmd_str_eqz(name, "--print") ? &o->print : NULL;
}

static const struct kmd_app_command *command_of(const struct kmd_app_ops *ops, struct kmd_str name)
{
	for (size_t i = 0; i < ops->commands_count; i++)
		if (kmd_str_eqz(name, ops->commands[i].option))
			return &ops->commands[i];
	return NULL;
}

/* Value of the option at argv[*i], which may stand behind it. */
static int value_of(const struct argument *a, int argc, char **argv, int *i, const char **ret, struct kmd_err *err)
{
	const char *value = a->inline_value;

	if (!value && *i + 1 < argc)
		value = argv[++*i];
	if (!value || !value[0])
		return kmd_err_set(err, KMD_EPARSE, "option %.*s needs a value", KMD_STR_ARG(a->name));
	*ret = value;
	return 0;
}

static int no_value(const struct argument *a, struct kmd_err *err)
{
	if (!a->inline_value)
		return 0;
	return kmd_err_set(err, KMD_EPARSE, "option %.*s takes no value", KMD_STR_ARG(a->name));
}

static int parse_one(
    const struct kmd_app_ops *ops, int argc, char **argv, int *i, struct options *o, struct kmd_err *err)
{
	struct argument a = take_apart(argv[*i]);
	bool *flag = flag_of(o, a.name);
	const struct kmd_app_command *command = command_of(ops, a.name);

	if (flag) {
		*flag = true;
		return no_value(&a, err);
	}
	if (kmd_str_eqz(a.name, "--config"))
		return value_of(&a, argc, argv, i, &o->config, err);
	if (command && o->command)
		return kmd_err_set(err, KMD_EPARSE, "only one of %s and %s can be done at a time", o->command->option,
		    command->option);
	if (command) {
		o->command = command;
		return command->arg ? value_of(&a, argc, argv, i, &o->command_arg, err) : no_value(&a, err);
	}
	return kmd_err_set(err, KMD_EPARSE, "unknown %s %s", argv[*i][0] == '-' ? "option" : "argument", argv[*i]);
}

int options_parse(const struct kmd_app_ops *ops, int argc, char **argv, struct options *ret, struct kmd_err *err)
{
	struct options o = {0};

	for (int i = 1; i < argc; i++) {
		int rc = parse_one(ops, argc, argv, &i, &o, err);
		if (rc < 0)
			return rc;
	}
	*ret = o;
	return 0;
}

static void help_option(const char *name, const char *arg, const char *help, FILE *out)
{
	fprintf(out, "  %s%s%s\n      %s\n", name, arg ? " " : "", arg ? arg : "", help);
}

void options_help(const struct kmd_app_ops *ops, FILE *out)
{
	fprintf(out, "kmd-%s: %s\n\nUsage: kmd-%s [OPTION]...\n\nOptions:\n", ops->name, ops->summary, ops->name);
	help_option("--config", "FILE", "settings from FILE, lines NAME=value; the environment wins over it", out);
	help_option("--check", NULL, "validate the settings and stop", out);
	help_option("--print", NULL, "print the settings in force, secrets masked, and stop", out);
	for (size_t i = 0; i < ops->commands_count; i++)
		help_option(ops->commands[i].option, ops->commands[i].arg, ops->commands[i].help, out);
	help_option("--version", NULL, "print the version and stop", out);
	help_option("--help", NULL, "print this and stop", out);
	fputs("\nSettings, with their defaults (environment; NAME_FILE reads the value from a file):\n", out);
	kmd_conf_help(ops->who, out);
	fputs(
	    "\nExit codes: 0 stopped cleanly; 64 bad usage; 69 the server of a one-shot command is absent or refuses;\n"
	    "70 a fault, or a stop that could not flush within KMD_SHUTDOWN_TIMEOUT; 78 bad settings, key or "
	    "certificate.\n",
	    out);
}
