/* The bindings call for an object file that describes the interface; `portcullis policy component` brings that itself. */
void __component_type_object_force_link_policy(void);
void __component_type_object_force_link_policy(void) {}
