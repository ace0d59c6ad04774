// The component library, in one import.
export { Badge, type BadgeProps } from "./Badge";
export { Button, type ButtonProps } from "./Button";
export { Card, Facts, type CardProps } from "./Card";
export { CopyField, type CopyFieldProps } from "./CopyField";
export { Confirm, Dialog, type ConfirmProps, type DialogProps } from "./Dialog";
export { EmptyState, type EmptyStateProps } from "./EmptyState";
export { Checkbox, Field, Select, TextArea, type FieldProps, type SelectProps, type TextAreaProps } from "./Field";
export { Icon, type IconName, type IconProps } from "./Icon";
export { Link, type LinkProps } from "./Link";
export { Brand, Mark } from "./Mark";
export { Notice, ProblemNotice, type NoticeKind, type NoticeProps } from "./Notice";
export { MessagePage, Page, useHeadingFocus, useTitle, type PageProps } from "./Page";
export { Segmented, type SegmentedProps } from "./Segmented";
export { LanguageSwitch, ThemeSwitch } from "./Settings";
export { PublicShell, StaffShell } from "./Shell";
export { Table, type Column, type TableProps } from "./Table";
export { announce, LiveRegions, toast } from "./Toast";
export { Loaded, Progress, Skeleton, Spinner } from "./Waiting";
