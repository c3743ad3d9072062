"""The dictionary: every table, event and trait declared once, the checked query and the step."""
