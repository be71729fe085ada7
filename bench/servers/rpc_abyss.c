/* xmlrpc-c's Abyss with add: cc -o rpc_abyss rpc_abyss.c $(xmlrpc-c-config abyss-server --libs) */
#include <signal.h>
#include <stdlib.h>
#include <xmlrpc-c/base.h>
#include <xmlrpc-c/server.h>
#include <xmlrpc-c/server_abyss.h>

static xmlrpc_value *add(xmlrpc_env *env, xmlrpc_value *params, void *info, void *call) {
    xmlrpc_int32 x, y;
    (void)info;
    (void)call;
    xmlrpc_decompose_value(env, params, "(ii)", &x, &y);
    return env->fault_occurred ? NULL : xmlrpc_build_value(env, "i", x + y);
}

int main(int count, char **words) {
    struct xmlrpc_method_info3 method = {.methodName = "add", .methodFunction = &add};
    xmlrpc_server_abyss_parms parms = {0};
    xmlrpc_env env;
    if (count != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    xmlrpc_env_init(&env);
    xmlrpc_registry *registry = xmlrpc_registry_new(&env);
    xmlrpc_registry_add_method3(&env, registry, &method);
    parms.config_file_name = NULL;
    parms.registryP = registry;
    parms.port_number = (unsigned)atoi(words[1]);
    parms.log_file_name = NULL;
    parms.keepalive_timeout = 60;
    parms.keepalive_max_conn = 100000000;
    parms.timeout = 60;
    xmlrpc_server_abyss(&env, &parms, XMLRPC_APSIZE(keepalive_max_conn));
    return env.fault_occurred;
}
