"""What PostgreSQL's functions do to more than the answer, and which do nothing. Data.

The first table is of the manual's chapters "System Administration Functions", "Sequence
Manipulation Functions" and "Large Objects", and of extensions that come with the server; the second
of those that `pg_proc` of PostgreSQL 15 calls immutable or stable, and of the few volatile ones
that only answer. What is in neither may do anything: a function of one's own, one that runs a text
as SQL (`query_to_xml`, `dblink`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from indelible.event.model import Operation

_CLASSES: Final[dict[Operation, str]] = {
    Operation.CONFIGURE: """
        set_config pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_logfile_rotate
        pg_promote pg_switch_wal pg_create_restore_point pg_backup_start pg_backup_stop
        pg_start_backup pg_stop_backup pg_wal_replay_pause pg_wal_replay_resume
        pg_create_physical_replication_slot pg_create_logical_replication_slot
        pg_copy_physical_replication_slot pg_copy_logical_replication_slot
        pg_drop_replication_slot pg_replication_slot_advance pg_sync_replication_slots
        pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_advance
        pg_replication_origin_session_setup pg_replication_origin_session_reset
        pg_replication_origin_xact_setup pg_replication_origin_xact_reset
        pg_import_system_collations pg_extension_config_dump pg_stat_reset pg_stat_reset_shared
        pg_stat_reset_single_table_counters pg_stat_reset_single_function_counters
        pg_stat_reset_slru pg_stat_reset_replication_slot pg_stat_reset_subscription_stats
        pg_stat_reset_backend_stats pg_stat_statements_reset
        cron.schedule cron.schedule_in_database cron.alter_job cron.unschedule""",
    Operation.LOGIN: "set_user set_user_u set_session_auth",
    Operation.DELETE: "pg_terminate_backend lo_unlink pg_file_unlink",
    Operation.EXPORT: """
        lo_export pg_read_file pg_read_binary_file pg_read_file_old pg_file_read
        pg_logical_slot_get_changes pg_logical_slot_peek_changes
        pg_logical_slot_get_binary_changes pg_logical_slot_peek_binary_changes
        database_to_xml database_to_xml_and_xmlschema schema_to_xml schema_to_xml_and_xmlschema
        table_to_xml table_to_xml_and_xmlschema query_export_to_s3""",
    Operation.IMPORT: "lo_import table_import_from_s3",
    Operation.EXECUTE: "",
    Operation.UPDATE: "nextval setval lo_put lowrite lo_truncate lo_truncate64 pg_file_rename",
    Operation.CREATE: "lo_create lo_creat lo_from_bytea pg_file_write",
}
"""The weightiest first: of several calls in one statement it decides."""
_BY_NAME: Final = {
    name: operation for operation, names in _CLASSES.items() for name in names.split()
}
_ORDER: Final = {operation: at for at, operation in enumerate(_CLASSES)}

_ONLY_ANSWERING: Final = """
    abbrev abs acldefault aclexplode acos acosd acosh age any_value area array_agg array_append
    array_cat array_dims array_fill array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_reverse array_sample
    array_shuffle array_sort array_to_json array_to_string array_to_tsvector array_upper ascii asin
    asind asinh atan atan2 atan2d atand atanh avg bit_and bit_count bit_length bit_or bit_xor bool
    bool_and bool_or box bound_box broadcast btrim cardinality casefold cbrt ceil ceiling center
    char_length character_length chr cidr circle clock_timestamp col_description concat concat_ws
    convert convert_from convert_to corr cos cosd cosh cot cotd count covar_pop covar_samp crc32
    crc32c cume_dist current_database current_query current_schema current_schemas current_setting
    current_user currval date date_add date_bin date_part date_subtract date_trunc datemultirange
    daterange decode degrees dense_rank diagonal diameter div encode enum_first enum_last
    enum_range erf erfc every exp factorial family first_value float4 float8 floor format
    format_type gamma gcd gen_random_uuid generate_series generate_subscripts get_bit get_byte
    get_current_ts_config getdatabaseencoding has_any_column_privilege has_column_privilege
    has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege
    has_language_privilege has_parameter_privilege has_schema_privilege has_sequence_privilege
    has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege height
    host hostmask inet inet_client_addr inet_client_port inet_merge inet_same_family
    inet_server_addr inet_server_port initcap int2 int4 int4multirange int4range int8
    int8multirange int8range is_normalized isclosed isempty isfinite ishorizontal isopen
    isparallel isperp isvertical json_agg json_agg_strict json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_extract_path json_extract_path_text json_object json_object_agg
    json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record
    json_to_recordset json_to_tsvector json_typeof jsonb_agg jsonb_agg_strict jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
    jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match
    jsonb_path_match_tz jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz
    jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record
    jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
    jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days justify_hours
    justify_interval lag last_value lastval lcm lead left length lgamma line ln log log10 lower
    lower_inc lower_inf lpad lseg ltrim macaddr macaddr8 macaddr8_set7bit make_date make_interval
    make_time make_timestamp make_timestamptz masklen max md5 min min_scale mod mode money
    multirange mxid_age name netmask network now npoints nth_value ntile num_nonnulls num_nulls
    numnode nummultirange numrange obj_description octet_length oid parse_ident path pclose
    percent_rank percentile_cont percentile_disc phraseto_tsquery pi plainto_tsquery point polygon
    popen pow power quote_ident quote_literal quote_nullable querytree radians radius random
    random_normal range_agg range_intersect_agg range_merge rank regclass regexp_count
    regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number
    row_security_active row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen
    setseed setweight sha224 sha256 sha384 sha512 shobj_description sign sin sind sinh slope
    split_part sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg
    string_to_array string_to_table strip strpos substr sum tan tand tanh text timeofday
    timestamptz timetz timezone to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number
    to_oct to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc
    to_regprocedure to_regrole to_regtype to_timestamp to_tsquery to_tsvector
    transaction_timestamp translate trim_array trim_scale trunc ts_debug ts_delete ts_filter
    ts_headline ts_lexize ts_parse ts_rank ts_rank_cd ts_token_type tsmultirange tsquery_phrase
    tsrange tstzmultirange tstzrange tsvector_to_array txid_current txid_current_if_assigned
    txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin txid_status
    txid_visible_in_snapshot unistr unnest upper upper_inc upper_inf uuid_extract_timestamp
    uuid_extract_version uuidv4 uuidv7 var_pop var_samp variance version websearch_to_tsquery
    width width_bucket xml xml_is_well_formed xml_is_well_formed_content
    xml_is_well_formed_document xmlagg xmlcomment xpath xpath_exists
    pg_available_extension_versions pg_available_extensions pg_backend_pid pg_blocking_pids
    pg_char_to_encoding pg_client_encoding pg_collation_actual_version pg_collation_for
    pg_collation_is_visible pg_column_compression pg_column_size pg_conf_load_time pg_config
    pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
    pg_conversion_is_visible pg_current_logfile pg_current_snapshot pg_current_wal_flush_lsn
    pg_current_wal_insert_lsn pg_current_wal_lsn pg_current_xact_id pg_current_xact_id_if_assigned
    pg_cursor pg_database_collation_actual_version pg_database_size pg_describe_object
    pg_encoding_to_char pg_filenode_relation pg_function_is_visible pg_has_role
    pg_identify_object pg_identify_object_as_address pg_index_column_has_property
    pg_index_has_property pg_indexam_has_property pg_indexes_size pg_input_error_info
    pg_input_is_valid pg_is_in_recovery pg_is_other_temp_schema pg_is_wal_replay_paused
    pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn
    pg_last_xact_replay_timestamp pg_listening_channels pg_lock_status pg_my_temp_schema
    pg_notification_queue_usage pg_opclass_is_visible pg_operator_is_visible
    pg_opfamily_is_visible pg_options_to_table pg_partition_ancestors pg_partition_root
    pg_partition_tree pg_postmaster_start_time pg_prepared_statement pg_prepared_xact
    pg_relation_filenode pg_relation_filepath pg_relation_is_updatable pg_relation_size
    pg_replication_origin_oid pg_replication_origin_progress
    pg_replication_origin_session_is_setup pg_safe_snapshot_blocking_pids
    pg_sequence_last_value pg_sequence_parameters pg_settings_get_flags pg_show_all_settings
    pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin
    pg_statistics_obj_is_visible pg_table_is_visible pg_table_size pg_tablespace_databases
    pg_tablespace_location pg_tablespace_size pg_timezone_abbrevs pg_timezone_names
    pg_total_relation_size pg_trigger_depth pg_ts_config_is_visible pg_ts_dict_is_visible
    pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_typeof
    pg_visible_in_snapshot pg_wal_lsn_diff pg_walfile_name pg_walfile_name_offset
    pg_xact_commit_timestamp pg_xact_status"""
_HARMLESS: Final = frozenset(_ONLY_ANSWERING.split())
_OF_THE_CATALOG: Final = ("pg_get_", "pg_stat_get_")
"""Functions that only tell what the catalog and the statistics hold, one for each part of them."""


def harmless(parts: list[str]) -> bool:
    """Whether a function, by the parts of its name, only answers.

    One in a schema other than the system's two is somebody's own, whatever it is called. What
    somebody gave the name and other arguments, no words tell.
    """
    name = parts[-1]
    if parts[:-1] == ["information_schema"]:
        return name.startswith("_pg_")
    if len(parts) > 1 and parts != ["pg_catalog", name]:
        return False
    return name in _HARMLESS or name.startswith(_OF_THE_CATALOG)


def known(name: str) -> bool:
    """Whether the first table has a function."""
    return name in _BY_NAME


def operation_of(functions: Iterable[str]) -> Operation:
    """What a statement does that calls these: of several the weightiest decides."""
    found = (_BY_NAME.get(name) or _BY_NAME.get(name.rpartition(".")[2]) or Operation.EXECUTE
             for name in functions)
    return min(found, key=lambda one: _ORDER[one], default=Operation.EXECUTE)
