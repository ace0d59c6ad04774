// What the report is built from.
import "./report.css";
import "./report";
